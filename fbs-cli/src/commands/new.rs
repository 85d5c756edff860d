//! `fbs new`.

use image_builder::spec;

use super::new_file;
use crate::args::New;
use crate::exit::Exit;
use crate::output;

pub(crate) fn run(args: &New) -> Exit {
    let sample = spec::sample(args.image_type, &args.release, args.arch, &args.packages);
    let Some(path) = &args.output else {
        output::text(&sample);
        return Exit::Done;
    };
    new_file::write(path, &sample)
}
