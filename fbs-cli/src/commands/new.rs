//! `fbs new`.

use std::fs::File;
use std::io::{ErrorKind, Write};

use image_builder::spec;

use crate::args::New;
use crate::exit::{self, Exit};
use crate::output::{self, tell};

pub(crate) fn run(args: &New) -> Exit {
    let sample = spec::sample(args.image_type, &args.release, args.arch, &args.packages);
    let Some(path) = &args.output else {
        output::text(&sample);
        return Exit::Done;
    };
    match File::create_new(path).and_then(|mut file| file.write_all(sample.as_bytes())) {
        Ok(()) => Exit::Done,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            exit::say(format_args!(
                "{} exists and is left as it is",
                path.display()
            ));
            tell!("hint: name another file with --output");
            Exit::Usage
        }
        Err(error) => {
            exit::say(format_args!("{}: {error}", path.display()));
            Exit::Usage
        }
    }
}
