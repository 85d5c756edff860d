//! `docs/cli.md` holds the help of every command, as the program prints it.

use std::fmt::Write as _;
use std::path::Path;

use clap::CommandFactory;

use crate::args::Args;

const BEGIN: &str = "<!-- help: made by the tests of fbs-cli -->\n";
const END: &str = "<!-- end -->";

/// The help of `fbs` and of each of its commands, as Markdown.
fn reference() -> String {
    // Wrapped alike wherever the test runs.
    let mut fbs = Args::command().term_width(80);
    fbs.build();
    sections("fbs", &mut fbs)
}

/// The help of a command, then that of those below it.
fn sections(name: &str, command: &mut clap::Command) -> String {
    let mut text = section(name, command);
    for below in command
        .get_subcommands_mut()
        .filter(|command| command.get_name() != "help")
    {
        let name = format!("{name} {}", below.get_name());
        text.push_str(&sections(&name, below));
    }
    text
}

fn section(name: &str, command: &mut clap::Command) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write!(text, "\n## {name}\n\n```text\n");
    for line in command.render_help().to_string().trim_end().lines() {
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push_str("```\n");
    text
}

#[test]
fn the_reference_is_the_program_s_own_help() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    let mut text = std::fs::read_to_string(&path).unwrap();
    let start = text.find(BEGIN).unwrap() + BEGIN.len();
    let end = start + text[start..].find(END).unwrap();
    let help = reference() + "\n";
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        text.replace_range(start..end, &help);
        std::fs::write(path, text).unwrap();
    } else {
        assert_eq!(
            text[start..end],
            help,
            "`UPDATE_EXPECTED=1 cargo test -p fbs-cli` rewrites docs/cli.md"
        );
    }
}
