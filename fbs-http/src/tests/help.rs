//! `docs/cli.md` holds the help, as the program prints it.

use std::path::Path;

use clap::CommandFactory;

use crate::config::Args;

const BEGIN: &str = "<!-- help: made by the tests of fbs-http -->\n";
const END: &str = "<!-- end of fbs-http -->";

#[test]
fn the_help_in_the_reference_is_the_program_s_own() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    let mut text = std::fs::read_to_string(&path).unwrap();
    let start = text.find(BEGIN).unwrap() + BEGIN.len();
    let end = start + text[start..].find(END).unwrap();
    // Wrapped alike wherever the test runs.
    let help = Args::command().term_width(80).render_help().to_string();
    let lines: Vec<&str> = help.trim_end().lines().map(str::trim_end).collect();
    let help = format!("\n```text\n{}\n```\n\n", lines.join("\n"));
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        text.replace_range(start..end, &help);
        std::fs::write(path, text).unwrap();
    } else {
        assert_eq!(
            text[start..end],
            help,
            "`UPDATE_EXPECTED=1 cargo test -p fbs-http` rewrites docs/cli.md"
        );
    }
}
