//! Files of a root that the scriptlets of several packages add to: in which order the packages came shows in
//! them, as in the numbers of accounts that were given none.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::ComposeError;
use super::files::at;
use super::root::below;

const FILES: [&str; 9] = [
    "etc/authselect/nsswitch.conf",
    "etc/group",
    "etc/gshadow",
    "etc/nsswitch.conf",
    "etc/passwd",
    "etc/shadow",
    "etc/shells",
    "etc/subgid",
    "etc/subuid",
];

/// A file for each name that several packages may have a program for.
const ALTERNATIVES: &str = "var/lib/alternatives";

/// Which of these files is another one in `root` than it was in `base`, if one is. An alternative that is new counts
/// for none: it is of the packages that came.
///
/// # Errors
///
/// [`ComposeError::Io`]
pub(crate) fn changed(base: &Path, root: &Path) -> Result<Option<String>, ComposeError> {
    let mut names: Vec<String> = FILES.map(str::to_owned).to_vec();
    let alternatives = below(base, ALTERNATIVES).and_then(|folder| folder.read_dir().ok());
    for entry in alternatives.into_iter().flatten() {
        let name = entry.map_err(at(base))?.file_name();
        names.push(format!("{ALTERNATIVES}/{}", name.to_string_lossy()));
    }
    for name in names {
        let read = |root: &Path| content(root, &name).map_err(at(&root.join(&name)));
        if read(base)? != read(root)? {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// What is in a file, or where a link leads to; nothing where there is neither.
fn content(root: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
    let Some(path) = below(root, folder).map(|folder| folder.join(file)) else {
        return Ok(None);
    };
    match path.symlink_metadata() {
        Ok(meta) if meta.is_symlink() => {
            let target = std::fs::read_link(path)?;
            Ok(Some(target.as_os_str().as_bytes().to_vec()))
        }
        Ok(meta) if meta.is_file() => std::fs::read(path).map(Some),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_an_order_shows_in_is_told_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let (base, root) = (dir.path().join("base"), dir.path().join("root"));
        let write = |root: &Path, name: &str, text: &str| {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for root in [&base, &root] {
            write(root, "etc/passwd", "root:x:0:0::/:/bin/sh\n");
            write(root, "var/lib/alternatives/editor", "auto\n/usr/bin/vi\n");
            std::os::unix::fs::symlink(
                "/etc/authselect/nsswitch.conf",
                root.join("etc/nsswitch.conf"),
            )
            .unwrap();
        }
        let now = || changed(&base, &root).unwrap();
        write(&root, "etc/issue", "another");
        write(&root, "var/lib/alternatives/pager", "auto\n");
        assert_eq!(now(), None);
        for name in FILES
            .into_iter()
            .filter(|name| *name != "etc/nsswitch.conf")
        {
            let before = fs::read(root.join(name)).ok();
            write(
                &root,
                name,
                "root:x:0:0::/:/bin/sh\na:x:999:999::/:/bin/sh\n",
            );
            assert_eq!(now().as_deref(), Some(name));
            match before {
                Some(before) => fs::write(root.join(name), before).unwrap(),
                None => fs::remove_file(root.join(name)).unwrap(),
            }
        }
        let editor = "var/lib/alternatives/editor";
        write(&root, editor, "auto\n/usr/bin/vi\n/usr/bin/nano\n");
        assert_eq!(now().as_deref(), Some(editor));
        fs::remove_file(root.join(editor)).unwrap();
        assert_eq!(now().as_deref(), Some(editor));
        write(&root, editor, "auto\n/usr/bin/vi\n");
        fs::remove_file(root.join("etc/nsswitch.conf")).unwrap();
        assert_eq!(now().as_deref(), Some("etc/nsswitch.conf"));
    }
}
