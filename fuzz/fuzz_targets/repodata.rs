#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| image_builder::repo_create::fuzz_repodata(data));
