//! Blocks as plain text and as HTML.

use super::content::Block;
use crate::markup::escaped;

/// As plain text.
pub(super) fn text(blocks: &[Block]) -> String {
    let parts = blocks.iter().filter_map(|block| {
        Some(match block {
            Block::Text(words) => words.clone(),
            Block::Heading(words) => format!("{words}\n{}", "-".repeat(words.chars().count())),
            Block::Rows(rows) => {
                let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
                let line = |(name, value): &(String, String)| format!("{name:width$}  {value}");
                rows.iter().map(line).collect::<Vec<_>>().join("\n")
            }
            Block::Lines(lines) => {
                let indented = lines.iter().map(|line| format!("    {line}"));
                indented.collect::<Vec<_>>().join("\n")
            }
            // It is among the delivered files.
            Block::Picture(..) => return None,
        })
    });
    parts.collect::<Vec<_>>().join("\n\n") + "\n"
}

/// As HTML, without anything that would be fetched from elsewhere. `cid` is the content id of a
/// picture.
pub(super) fn html(title: &str, blocks: &[Block], cid: impl Fn(usize) -> String) -> String {
    let body: String = blocks.iter().map(|block| html_block(block, &cid)).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title></head>\n\
         <body style=\"font-family: sans-serif\">\n{body}</body></html>\n",
        escaped(title)
    )
}

fn html_block(block: &Block, cid: impl Fn(usize) -> String) -> String {
    match block {
        Block::Text(words) => format!("<p>{}</p>\n", escaped(words)),
        Block::Heading(words) => format!("<h3>{}</h3>\n", escaped(words)),
        Block::Rows(rows) => {
            let row = |(name, value): &(String, String)| {
                format!(
                    "<tr><th align=\"left\" valign=\"top\">{}</th><td>{}</td></tr>\n",
                    escaped(name),
                    linked(value)
                )
            };
            let rows: String = rows.iter().map(row).collect();
            format!("<table cellpadding=\"3\">\n{rows}</table>\n")
        }
        Block::Lines(lines) => format!("<pre>{}</pre>\n", escaped(&lines.join("\n"))),
        Block::Picture(number, name) => format!(
            "<p><img src=\"cid:{}\" alt=\"{}\" style=\"max-width: 100%\"></p>\n",
            escaped(&cid(*number)),
            escaped(name)
        ),
    }
}

/// An address that a mail program may open is a link; everything else is text.
fn linked(value: &str) -> String {
    let shown = escaped(value);
    let opens = ["https://", "http://", "ftp://", "ftps://"];
    let plain = !value.chars().any(char::is_whitespace);
    match plain && opens.iter().any(|scheme| value.starts_with(scheme)) {
        true => format!("<a href=\"{shown}\">{shown}</a>"),
        false => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks() -> Vec<Block> {
        vec![
            Block::Text("a <b>".into()),
            Block::Heading("Files".into()),
            Block::Rows(vec![
                ("Image".into(), "https://h/a?x=\"1\"&y=2".into()),
                ("Log".into(), "/srv/<x>".into()),
                ("Evil".into(), "javascript:alert(1)".into()),
            ]),
            Block::Lines(vec!["</pre><script>".into(), "two".into()]),
            Block::Picture(0, "bios.png".into()),
        ]
    }

    #[test]
    fn text_is_aligned() {
        let text = text(&blocks());
        assert_eq!(
            text,
            "a <b>\n\nFiles\n-----\n\nImage  https://h/a?x=\"1\"&y=2\nLog    /srv/<x>\n\
             Evil   javascript:alert(1)\n\n    </pre><script>\n    two\n"
        );
    }

    #[test]
    fn nothing_in_html_is_more_than_text() {
        let html = html("<t>", &blocks(), |n| format!("shot{n}@h"));
        for there in [
            "<title>&lt;t&gt;</title>",
            "<p>a &lt;b&gt;</p>",
            "<a href=\"https://h/a?x=&quot;1&quot;&amp;y=2\">",
            "<td>/srv/&lt;x&gt;</td>",
            "<td>javascript:alert(1)</td>",
            "<pre>&lt;/pre&gt;&lt;script&gt;\ntwo</pre>",
            "<img src=\"cid:shot0@h\" alt=\"bios.png\"",
        ] {
            assert!(html.contains(there), "{there}\n{html}");
        }
        assert!(!html.contains("<script"));
    }
}
