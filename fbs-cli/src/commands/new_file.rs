//! Files of `--output`, which must not be there yet.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use image_builder::error::ErrorKind;

use crate::exit::{self, Exit};
use crate::output::tell;

/// Writes a new file. Where that fails, nothing is left of it.
pub(super) fn write(path: &Path, text: &str) -> Exit {
    let mut file = match File::create_new(path) {
        Ok(file) => file,
        Err(error) => return refused(path, &error),
    };
    match file.write_all(text.as_bytes()) {
        Ok(()) => Exit::Done,
        Err(error) => {
            // Half of it would be in the way of the next try.
            let _ = fs::remove_file(path);
            refused(path, &error)
        }
    }
}

fn refused(path: &Path, error: &io::Error) -> Exit {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    match (error.kind(), folder) {
        (io::ErrorKind::AlreadyExists, _) => {
            exit::say(format_args!(
                "{}: it exists and is left as it is",
                path.display()
            ));
            tell!("hint: name another file with --output");
        }
        (io::ErrorKind::NotFound, Some(folder)) if !folder.exists() => {
            exit::say(format_args!(
                "{}: there is no folder {}",
                path.display(),
                folder.display()
            ));
            tell!("hint: make it first, or name another file with --output");
        }
        _ => {
            exit::say(format_args!("{}: {error}", path.display()));
            tell!("hint: name another file with --output");
        }
    }
    ErrorKind::of_io(error).into()
}
