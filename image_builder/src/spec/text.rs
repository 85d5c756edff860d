//! Values that are plain text, and what of it would do harm.

use std::path::{Component, Path, PathBuf};

use url::{Host, Url};

use super::password::hidden;
use super::value::{ValueError, quoted};

/// A product's name or a title.
pub(crate) fn text(value: &str) -> Result<String, ValueError> {
    const LONGEST: usize = 128;
    if value.chars().count() > LONGEST {
        return Err(ValueError::new(
            format!("the text is longer than {LONGEST} characters"),
            "write a shorter one",
        ));
    }
    Ok(value.to_owned())
}

/// A version or a name: part of file names and commands.
pub(crate) fn word(value: &str) -> Result<String, ValueError> {
    letters(value, "._+~-", 64, "a name or version")
}

/// The volume id of an ISO: the kernel command line and the boot menu repeat it.
pub(crate) fn label(value: &str) -> Result<String, ValueError> {
    letters(value, "._-", 32, "a label")
}

fn letters(value: &str, others: &str, longest: usize, what: &str) -> Result<String, ValueError> {
    if value.chars().count() > longest {
        return Err(ValueError::new(
            format!("{} is longer than {longest} characters", quoted(value)),
            format!("expected at most {longest}"),
        ));
    }
    // As a part of a path the dots lead out of the folder that it is to name, and nothing can be found by a
    // label that is empty.
    if matches!(value, "" | "." | "..") {
        return Err(ValueError::new(
            format!("{} is not {what}", quoted(value)),
            "expected letters or digits in it",
        ));
    }
    if value.starts_with('-') {
        return Err(ValueError::new(
            format!("{} begins with \"-\"", quoted(value)),
            "begin it with a letter or a digit",
        ));
    }
    match value
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !others.contains(*c))
    {
        Some(bad) => {
            let others: Vec<String> = others.chars().map(String::from).collect();
            Err(ValueError::new(
                format!("{} cannot be part of {what}", quoted(&bad.to_string())),
                format!("expected letters, digits and {}", others.join(" ")),
            ))
        }
        None => Ok(value.to_owned()),
    }
}

/// 1, yes, true, on or 0, no, false, off, in any case.
pub(crate) fn flag(value: &str) -> Result<bool, ValueError> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "yes" | "true" | "on" => Ok(true),
        "0" | "no" | "false" | "off" => Ok(false),
        _ => Err(ValueError::new(
            format!("{} is neither yes nor no", quoted(value)),
            "expected 1, yes, true, on or 0, no, false, off",
        )),
    }
}

/// A mail address: something@host, with nothing that a mail header would take for more.
pub(crate) fn email(value: &str) -> Result<String, ValueError> {
    let wrong = || {
        ValueError::new(
            format!("{} is not a mail address", quoted(value)),
            "expected one such as qa@example.org, several separated by \";\"",
        )
    };
    let (user, host) = value.rsplit_once('@').ok_or_else(wrong)?;
    if !user.is_ascii() {
        return Err(ValueError::new(
            format!("{} is not ASCII before the \"@\"", quoted(value)),
            "few mail servers take that; name an address of ASCII letters for the same mailbox",
        ));
    }
    let user_fits = !user.is_empty()
        && user
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(c));
    let host_fits = !host.is_empty()
        && !host.starts_with(['.', '-'])
        && !host.ends_with(['.', '-'])
        && host
            .chars()
            .all(|c| c.is_alphanumeric() || ".-".contains(c))
        // Mail goes to such a domain under its name in punycode, which not all letters have.
        && (host.is_ascii() || Host::parse(host).is_ok());
    if user_fits && host_fits && !user.starts_with('-') && value.len() <= 254 {
        Ok(value.to_owned())
    } else {
        Err(wrong())
    }
}

/// A web page.
pub(crate) fn link(value: &str) -> Result<String, ValueError> {
    match Url::parse(value) {
        Ok(url)
            if matches!(url.scheme(), "http" | "https") && !value.contains(char::is_whitespace) =>
        {
            Ok(value.to_owned())
        }
        _ => Err(ValueError::new(
            format!("{} is not a web address", quoted(&hidden(value))),
            "expected http:// or https://",
        )),
    }
}

/// Folders that belong to the system; nothing is ever made or removed in place of them.
const SYSTEM: &[&str] = &[
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/lib32",
    "/lib64",
    "/media",
    "/mnt",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/sys",
    "/tmp",
    "/usr",
    "/usr/local",
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/spool",
    "/var/tmp",
];
/// Folders that belong to the system with all that is below them.
const SYSTEM_TREES: &[&str] = &[
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/sbin", "/sys", "/usr",
];

/// Whether a path is a folder that belongs to the system, or lies in one that belongs to it whole.
pub(crate) fn is_of_the_system(path: &Path) -> bool {
    let in_tree = SYSTEM_TREES.iter().any(|tree| path.starts_with(tree));
    path == Path::new("/") || (in_tree && !path.starts_with("/usr/local"))
}

/// A folder the build may fill, absolute or relative to the spec's folder.
pub(crate) fn folder(value: &str) -> Result<PathBuf, ValueError> {
    let path = path(value)?;
    let whole: PathBuf = path
        .components()
        .filter(|part| *part != Component::CurDir)
        .collect();
    let inside_system = SYSTEM.iter().any(|system| whole == Path::new(system));
    let home = whole.starts_with("/home") && whole.components().count() == 3;
    if inside_system || home || whole.as_os_str().is_empty() {
        let what = if home {
            "a home folder"
        } else {
            "a folder that others use"
        };
        return Err(ValueError::new(
            format!("{} is {what}", quoted(value)),
            "name a folder of its own below it, which the build may fill and empty",
        ));
    }
    Ok(path)
}

/// A file the build may write, absolute or relative to the spec's folder.
pub(crate) fn file(value: &str) -> Result<PathBuf, ValueError> {
    let path = path(value)?;
    let whole: PathBuf = path.components().collect();
    if SYSTEM.iter().any(|system| whole == Path::new(system)) {
        return Err(ValueError::new(
            format!("{} is a folder", quoted(value)),
            "name a file in a folder of its own",
        ));
    }
    Ok(path)
}

fn path(value: &str) -> Result<PathBuf, ValueError> {
    if value.contains("://") || value.starts_with("file:") {
        return Err(ValueError::new(
            format!("{} is not a path", quoted(&hidden(value))),
            "expected a path",
        ));
    }
    if value.starts_with('~') {
        return Err(ValueError::new(
            "\"~\" is not expanded",
            "write the whole path",
        ));
    }
    let path = PathBuf::from(value);
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(ValueError::new(
            "the path goes up with \"..\"",
            "write the whole path",
        ));
    }
    let tree = SYSTEM_TREES
        .iter()
        .find(|tree| path.starts_with(tree) && path != Path::new(tree));
    match tree {
        Some(tree) if !path.starts_with("/usr/local") => Err(ValueError::new(
            format!(
                "{} lies in {tree}, which belongs to the system",
                quoted(value)
            ),
            "choose a place such as /var/tmp/fbs or /srv",
        )),
        _ => Ok(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_the_system_are_refused() {
        for path in [
            "/",
            "//",
            "/home",
            "/home/",
            "/usr",
            "/etc",
            "/var",
            "/tmp",
            "/root",
            "/var/tmp/",
            "/./tmp",
            "/home/alice",
            "/etc/fbs",
            "/usr/share/x",
            "/dev/shm",
            "/srv/../etc",
            "../x",
            "~/x",
            ".",
            "./",
            "file:///srv/x",
        ] {
            assert!(folder(path).is_err(), "{path}");
        }
        for path in [
            "/var/tmp/fbs",
            "/srv/images",
            "/home/alice/images",
            "out",
            "./out",
            "/builds",
            "/tmp/x",
            "/var/cache/pungi",
            "/usr/local/fbs",
            "/srv/a..b",
        ] {
            assert_eq!(folder(path), Ok(PathBuf::from(path)));
        }
    }

    #[test]
    fn a_folder_of_the_system_is_no_file() {
        for path in ["/", "/etc", "/etc/", "/./tmp", "/etc/fbs.log", "../x"] {
            assert!(file(path).is_err(), "{path}");
        }
        for path in ["/var/log/fbs.log", "/tmp/x", "fbs.log"] {
            assert_eq!(file(path), Ok(PathBuf::from(path)));
        }
    }

    #[test]
    fn flags_words_and_labels() {
        assert_eq!(flag("Yes"), Ok(true));
        assert_eq!(flag("OFF"), Ok(false));
        assert!(flag("2").is_err());
        assert!(word("17-Beta").is_ok() && word("1 7").is_err() && word("a/b").is_err());
        assert!(label(&"x".repeat(32)).is_ok() && label(&"x".repeat(33)).is_err());
        assert_eq!(
            label("Fedora 17").unwrap_err().to_string(),
            "\" \" cannot be part of a label; expected letters, digits and . _ -"
        );
        assert!(text("The \"Beefy Miracle\" & more; 100%=all").is_ok());
        assert!(text(&"x".repeat(129)).is_err());
    }

    #[test]
    fn mail_addresses() {
        for good in [
            "qa@example.org",
            "a.b+c@host",
            "root@localhost",
            "jurgen@müller.example",
        ] {
            assert!(email(good).is_ok(), "{good}");
        }
        for bad in [
            "qa",
            "@host",
            "qa@",
            "a b@host",
            "qa@host\nBcc: x@y",
            "<qa@host>",
            "-x@host",
            "a@.b",
            "a@xn--\u{e4}.b",
        ] {
            assert!(email(bad).is_err(), "{bad}");
        }
        assert_eq!(
            email("jürgen@example.org").unwrap_err().to_string(),
            "\"jürgen@example.org\" is not ASCII before the \"@\"; few mail servers take that; name an address of \
             ASCII letters for the same mailbox"
        );
    }
}
