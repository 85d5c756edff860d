//! Changing the menus of boot loaders: kernel arguments, and the label by which the medium is found.
//!
//! Only what is to be changed is changed: menus are programs in GRUB's language, with comments and
//! an order that somebody chose.

use std::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::error::RespinError;

/// Whose language a menu is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// GRUB: `linux /vmlinuz ARGUMENTS`.
    Grub,
    /// ISOLINUX and SYSLINUX: `append ARGUMENTS`.
    Syslinux,
}

impl Dialect {
    /// The language of the file at `path` on an image, if it is a menu.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or(path);
        match name.to_ascii_lowercase().as_str() {
            "grub.cfg" | "grub.conf" | "boot.conf" | "loopback.cfg" => Some(Self::Grub),
            "isolinux.cfg" | "syslinux.cfg" | "extlinux.conf" => Some(Self::Syslinux),
            _ => None,
        }
    }

    /// Whether `word` begins a line with kernel arguments, and how many words after it are none.
    fn arguments_after(self, word: &str) -> Option<usize> {
        match (self, word.to_ascii_lowercase().as_str()) {
            // The kernel itself comes first.
            (Self::Grub, "linux" | "linuxefi" | "linux16") => Some(1),
            (Self::Syslinux, "append") => Some(0),
            _ => None,
        }
    }

    /// `argument` as it stands in a menu.
    fn written(self, argument: &str) -> String {
        let special = |c: char| c.is_whitespace() || "$;&|<>{}()*?#".contains(c);
        match self {
            Self::Grub if argument.contains(special) => format!("'{argument}'"),
            Self::Syslinux if argument.contains(char::is_whitespace) => format!("\"{argument}\""),
            _ => argument.to_owned(),
        }
    }
}

/// What is to become of menus.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edit {
    /// Arguments for every kernel line, in this order.
    pub add: Vec<String>,
    /// Names of arguments that go, whatever their value: `quiet`, `inst.ks`.
    pub remove: Vec<String>,
    /// The old label and the new one.
    pub label: Option<(String, String)>,
}

impl Edit {
    /// Whether menus stay as they are.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty() && self.label.is_none()
    }

    /// Whether kernel lines change apart from the label.
    #[must_use]
    pub fn changes_arguments(&self) -> bool {
        !self.add.is_empty() || !self.remove.is_empty()
    }
}

/// A changed menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// Its text.
    pub text: String,
    /// How many lines with kernel arguments it has.
    pub kernel_lines: usize,
    /// How many times the old label was replaced.
    pub labels: usize,
}

/// Carries out `edit` in the text of a menu.
#[must_use]
pub fn edit(dialect: Dialect, text: &str, edit: &Edit) -> Edited {
    let (text, labels) = match &edit.label {
        Some((old, new)) => relabel(text, old, new),
        None => (text.to_owned(), 0),
    };
    let mut edited = Edited {
        text: String::with_capacity(text.len() + 256),
        kernel_lines: 0,
        labels,
    };
    for line in logical_lines(&text) {
        match arguments(dialect, line) {
            Some(places) => {
                edited.kernel_lines += 1;
                edited
                    .text
                    .push_str(&kernel_line(dialect, line, &places, edit));
            }
            None => edited.text.push_str(line),
        }
    }
    edited
}

/// The words of `command_line`, as a shell splits them.
///
/// # Errors
///
/// [`RespinError::Argument`]: a quote that does not end, or an argument that GRUB does not pass on
/// as it is.
pub fn split(command_line: &str) -> Result<Vec<String>, RespinError> {
    let problem = |argument: &str, problem| RespinError::Argument {
        argument: argument.to_owned(),
        problem,
    };
    let words = shlex::split(command_line)
        .ok_or_else(|| problem(command_line, "a quote in it does not end"))?;
    for word in &words {
        if word.is_empty() {
            return Err(problem(word, "it is empty"));
        }
        if word.contains(char::is_control) {
            return Err(problem(word, "it has a control character"));
        }
        // GRUB puts a backslash before each of them, which the kernel takes for a part of it.
        if word.contains(['\'', '"', '\\']) {
            return Err(problem(
                word,
                "GRUB does not pass on quotes and backslashes as they are",
            ));
        }
    }
    Ok(words)
}

/// The kernels and initial RAM disks that menus load, as paths without a leading slash.
#[must_use]
pub fn loaded(text: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for line in logical_lines(text) {
        let words: Vec<&str> = words(line).into_iter().map(|place| &line[place]).collect();
        let Some((first, rest)) = words.split_first() else {
            continue;
        };
        let first = first.to_ascii_lowercase();
        match first.trim_end_matches("16").trim_end_matches("efi") {
            "linux" | "kernel" => paths.extend(rest.first().map(|path| on_image(path))),
            "initrd" => paths.extend(rest.iter().flat_map(|path| path.split(',')).map(on_image)),
            "append" => {
                let named = rest.iter().filter_map(|word| word.strip_prefix("initrd="));
                paths.extend(named.flat_map(|path| path.split(',')).map(on_image));
            }
            _ => {}
        }
    }
    paths
}

/// `($root)/images/vmlinuz` to `images/vmlinuz`.
fn on_image(path: &str) -> String {
    let path = path.trim_matches(['\'', '"']);
    let path = match path.strip_prefix('(').and_then(|p| p.split_once(')')) {
        Some((_device, path)) => path,
        None => path,
    };
    path.trim_start_matches('/').to_owned()
}

/// Lines with their ends; one that ends in a backslash goes on in the next.
fn logical_lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let (mut start, mut end) = (0, 0);
    for line in text.split_inclusive('\n') {
        end += line.len();
        if !line.trim_end_matches(['\n', '\r']).ends_with('\\') {
            lines.push(&text[start..end]);
            start = end;
        }
    }
    if start < text.len() {
        lines.push(&text[start..]);
    }
    lines
}

/// Where the arguments of a kernel line stand; `None` if it is no such line.
fn arguments(dialect: Dialect, line: &str) -> Option<Vec<Range<usize>>> {
    let places = words(line);
    let first = places.first()?.clone();
    let skipped = 1 + dialect.arguments_after(&line[first])?;
    // `append -` of ISOLINUX: no arguments on purpose. `linux` alone loads nothing.
    if line[places.last()?.clone()] == *"-" || places.len() < skipped {
        return None;
    }
    Some(places[skipped - 1..].to_vec())
}

/// The words of a line, quotes included, up to a comment.
fn words(line: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut start: Option<usize> = None;
    let mut quote = None;
    let mut chars = line.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let joins_lines = c == '\\' && matches!(chars.peek(), None | Some((_, '\n' | '\r')));
        if quote.is_none() && (c.is_whitespace() || joins_lines) {
            words.extend(start.take().map(|from| from..at));
            continue;
        }
        if start.is_none() && c == '#' {
            return words;
        }
        start.get_or_insert(at);
        match quote {
            // What it stands before is no quote.
            None | Some('"') if c == '\\' => {
                chars.next();
            }
            None if c == '\'' || c == '"' => quote = Some(c),
            Some(open) if open == c => quote = None,
            _ => {}
        }
    }
    words.extend(start.map(|from| from..line.len()));
    words
}

/// A kernel line; the first of `places` is the word after which arguments begin.
fn kernel_line(dialect: Dialect, line: &str, places: &[Range<usize>], edit: &Edit) -> String {
    let Some((before, arguments)) = places.split_first() else {
        return line.to_owned();
    };
    let mut text = line[..before.end].to_owned();
    let mut kept_to = before.end;
    for place in arguments {
        let word = line[place.clone()].trim_matches(['\'', '"']);
        let name = word.split('=').next().unwrap_or(word);
        if !edit.remove.iter().any(|gone| gone == name) {
            text.push_str(&line[kept_to..place.end]);
        }
        kept_to = place.end;
    }
    for argument in &edit.add {
        text.push(' ');
        text.push_str(&dialect.written(argument));
    }
    text.push_str(&line[kept_to..]);
    text
}

/// Replaces the label `old` wherever the medium is looked for by it, and says how often.
///
/// A label is often the beginning of a title (`Fedora`), so that only what refers to one is
/// replaced: `LABEL=`, `by-label/`, and GRUB's `search`.
#[must_use]
pub fn relabel(text: &str, old: &str, new: &str) -> (String, usize) {
    let forms: Vec<String> = forms(old).iter().map(|form| regex::escape(form)).collect();
    let forms = forms.join("|");
    let mut count = 0;
    let mut replace = |text: &str, pattern: &str| {
        // The label is escaped, everything else is constant.
        let Ok(regex) = Regex::new(pattern) else {
            return text.to_owned();
        };
        let with_new = |found: &Captures<'_>| {
            count += 1;
            format!("{}{new}{}", &found["before"], &found["after"])
        };
        regex.replace_all(text, with_new).into_owned()
    };
    let end = r#"(?<after>$|[^A-Za-z0-9._+#@\\-])"#;
    let text = replace(
        text,
        &format!(r#"(?m)(?<before>(?:LABEL=|by-label/)["']?)(?:{forms}){end}"#),
    );
    let lines = text.split_inclusive('\n').map(|line| {
        if SEARCH.is_match(line) {
            replace(line, &format!(r#"(?<before>[\s"'=])(?:{forms}){end}"#))
        } else {
            line.to_owned()
        }
    });
    (lines.collect(), count)
}

static SEARCH: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?:^|[;{]|\bthen\b)\s*search(?:\.\w+)?\s";
    Regex::new(pattern).unwrap_or_else(|error| unreachable!("a constant: {error}"))
});

/// How a label may be written: as it is, and with what udev escapes in names
/// (`\x20` for a space; with two backslashes where GRUB takes one away).
pub(super) fn forms(label: &str) -> Vec<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "#+-.:=@_".contains(c);
    let escaped = |backslash: &str| {
        let mut text = String::new();
        for byte in label.bytes() {
            let c = char::from(byte);
            if plain(c) {
                text.push(c);
            } else {
                text.push_str(&format!("{backslash}x{byte:02x}"));
            }
        }
        text
    };
    let mut forms = vec![label.to_owned()];
    for backslash in [r"\", r"\\"] {
        let form = escaped(backslash);
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    forms
}

/// The label as it stands in a kernel argument.
#[must_use]
pub fn in_argument(label: &str) -> String {
    forms(label)
        .get(1)
        .cloned()
        .unwrap_or_else(|| label.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn menus_are_known_by_their_names() {
        for (path, dialect) in [
            ("EFI/BOOT/grub.cfg", Some(Dialect::Grub)),
            ("EFI/BOOT/BOOT.conf", Some(Dialect::Grub)),
            ("boot/grub2/grub.cfg", Some(Dialect::Grub)),
            ("isolinux/isolinux.cfg", Some(Dialect::Syslinux)),
            ("boot/grub2/fonts/unicode.pf2", None),
        ] {
            assert_eq!(Dialect::of(path), dialect, "{path}");
        }
    }

    #[test]
    fn arguments_are_added_to_each_kernel_line_and_to_nothing_else() {
        let text = "set timeout=60\n\
            menuentry 'linux for all' --class os {\n\
            \tlinux /images/pxeboot/vmlinuz inst.stage2=hd:LABEL=F-43 quiet\n\
            \tinitrd /images/pxeboot/initrd.img\n}\n\
            # linux /old args\n\
            submenu 'More' {\n  linuxefi ($root)/vmlinuz  quiet   # why\n}";
        let change = Edit {
            add: args(&["inst.text", "a=b c", "x=$y"]),
            remove: args(&["quiet"]),
            label: None,
        };
        let edited = edit(Dialect::Grub, text, &change);
        assert_eq!(edited.kernel_lines, 2);
        assert_eq!(
            edited.text,
            "set timeout=60\n\
            menuentry 'linux for all' --class os {\n\
            \tlinux /images/pxeboot/vmlinuz inst.stage2=hd:LABEL=F-43 inst.text 'a=b c' 'x=$y'\n\
            \tinitrd /images/pxeboot/initrd.img\n}\n\
            # linux /old args\n\
            submenu 'More' {\n  linuxefi ($root)/vmlinuz inst.text 'a=b c' 'x=$y'   # why\n}"
        );
    }

    #[test]
    fn an_argument_goes_by_its_name_with_any_value() {
        let change = Edit {
            remove: args(&["inst.ks", "rd.live.check"]),
            ..Edit::default()
        };
        let line = "linux /v inst.ks=hd:LABEL=A:/a 'inst.ks=b c' inst.ksx=1 rd.live.check a\n";
        let edited = edit(Dialect::Grub, line, &change);
        assert_eq!(edited.text, "linux /v inst.ksx=1 a\n");
        // The kernel itself is no argument.
        let line = "linux rd.live.check a\n";
        assert_eq!(edit(Dialect::Grub, line, &change).text, line);
    }

    #[test]
    fn a_line_that_goes_on_is_one_line() {
        let change = Edit {
            add: args(&["new"]),
            remove: args(&["b"]),
            label: None,
        };
        let edited = edit(Dialect::Grub, "linux /v a \\\n  b c\nboot\n", &change);
        assert_eq!(
            (edited.kernel_lines, edited.text.matches("new").count()),
            (1, 1)
        );
        assert_eq!(edited.text, "linux /v a c new\nboot\n");
    }

    #[test]
    fn isolinux_has_its_own_lines_and_quotes() {
        let text = "label linux\n  kernel vmlinuz\n  APPEND initrd=initrd.img quiet\n\
            label memtest\n  kernel memtest\n  append -\n";
        let change = Edit {
            add: args(&["a=b c"]),
            ..Edit::default()
        };
        let edited = edit(Dialect::Syslinux, text, &change);
        assert_eq!(edited.kernel_lines, 1);
        assert!(
            edited
                .text
                .contains("APPEND initrd=initrd.img quiet \"a=b c\"\n")
        );
        assert!(edited.text.ends_with("append -\n"));
    }

    #[test]
    fn a_label_is_replaced_where_it_is_one() {
        let text = "search --no-floppy --set=root -l 'Fedora'\n\
            search --no-floppy --set=root --label Fedora\n\
            if true; then search.fs_label Fedora root; fi\n\
            menuentry 'Install Fedora' { linux /v root=live:CDLABEL=Fedora \
            inst.stage2=hd:LABEL=Fedora:/x inst.repo=hd:LABEL=Fedora-S a=/dev/disk/by-label/Fedora }\n";
        let (new, count) = relabel(text, "Fedora", "QA-1");
        assert_eq!(count, 6);
        assert_eq!(
            new,
            "search --no-floppy --set=root -l 'QA-1'\n\
            search --no-floppy --set=root --label QA-1\n\
            if true; then search.fs_label QA-1 root; fi\n\
            menuentry 'Install Fedora' { linux /v root=live:CDLABEL=QA-1 \
            inst.stage2=hd:LABEL=QA-1:/x inst.repo=hd:LABEL=Fedora-S a=/dev/disk/by-label/QA-1 }\n"
        );
    }

    #[test]
    fn a_label_with_spaces_is_known_in_all_its_forms() {
        let text = "search -l 'Fedora 20 x'\nlinux /v root=live:LABEL=Fedora\\x2020\\x20x \
            b=hd:LABEL=Fedora\\\\x2020\\\\x20x:/k\n";
        let (new, count) = relabel(text, "Fedora 20 x", "F");
        assert_eq!(count, 3);
        assert_eq!(
            new,
            "search -l 'F'\nlinux /v root=live:LABEL=F b=hd:LABEL=F:/k\n"
        );
        assert_eq!(in_argument("Fedora 20"), "Fedora\\x2020");
        assert_eq!(in_argument("Fedora-20"), "Fedora-20");
    }

    #[test]
    fn a_command_line_is_split_as_a_shell_does() {
        assert_eq!(split("a  'b=c d' e").unwrap(), ["a", "b=c d", "e"]);
        for (wrong, words) in [
            ("a 'b", "does not end"),
            ("\"a'b\"", "quotes and backslashes"),
            ("'a\\x20b'", "quotes and backslashes"),
            ("'a\nb'", "control character"),
            ("a ''", "empty"),
        ] {
            let error = split(wrong).unwrap_err().to_string();
            assert!(error.contains(words), "{wrong}: {error}");
        }
    }

    #[test]
    fn what_menus_load_is_known() {
        let text = "linux ($root)/a/vmlinuz x\n initrdefi /a/initrd.img /b/microcode\n\
            kernel vmlinuz\nappend initrd=one,two quiet\n";
        assert_eq!(
            loaded(text),
            [
                "a/vmlinuz",
                "a/initrd.img",
                "b/microcode",
                "vmlinuz",
                "one",
                "two"
            ]
        );
    }
}
