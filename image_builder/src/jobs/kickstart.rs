//! What a kickstart that comes from elsewhere may not say.

use crate::kickstart::{Kickstart, SectionKind};

/// A kickstart is hostile that was sent here. Each thing in it that would reach this machine, with its line.
#[must_use]
pub fn untrusted(kickstart: &Kickstart) -> Vec<String> {
    let mut found = Vec::new();
    for include in kickstart.includes() {
        let target = include.target();
        found.push(format!(
            "{}: {target} is not in the kickstart; `fbs kickstart flatten` puts it in",
            include.place()
        ));
    }
    for section in kickstart.sections() {
        let outside = section
            .options()
            .iter()
            .any(|option| option == "--nochroot");
        if section.kind() == SectionKind::Post && outside {
            found.push(format!(
                "{}: %post --nochroot would see the worker's own files; leave --nochroot out",
                section.place()
            ));
        }
    }
    for command in kickstart.commands() {
        let local = command
            .arguments()
            .iter()
            .any(|argument| argument.to_ascii_lowercase().contains("file:/"));
        if local && matches!(command.name(), "repo" | "url" | "liveimg" | "ostreesetup") {
            found.push(format!(
                "{}: `{}` names a path of the worker; name a server",
                command.place(),
                command.name()
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reaches_the_worker_is_named_with_its_line() {
        let text = "lang C\nrepo --name=a --baseurl=FILE:///srv/a\nurl --url=https://host/os\n\
                    %include /etc/shadow\n%packages\n%include b.ks\n%end\n\
                    %post --nochroot\ntrue\n%end\n%post\ntrue\n%end\n";
        let kickstart = Kickstart::parse(text, "sent.ks").unwrap();
        let found = untrusted(&kickstart);
        assert_eq!(found.len(), 4, "{found:#?}");
        for (line, word) in [
            ("4", "/etc/shadow"),
            ("6", "b.ks"),
            ("8", "--nochroot"),
            ("2", "repo"),
        ] {
            let hit = |one: &String| one.contains(&format!("sent.ks:{line}")) && one.contains(word);
            assert!(found.iter().any(hit), "{line} {word}: {found:#?}");
        }
        let plain = Kickstart::parse("lang C\n%post\necho file:///x\n%end\n", "a.ks").unwrap();
        assert!(untrusted(&plain).is_empty());
    }
}
