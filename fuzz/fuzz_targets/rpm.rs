#![no_main]

use image_builder::repo_create::{Expected, RpmCheck, fuzz_package};
use libfuzzer_sys::fuzz_target;

// Once as repodata reads it, without digests, and once as a download is checked: the first byte says
// how large the pieces are in which the rest arrives.
fuzz_target!(|data: &[u8]| {
    let Some((&size, data)) = data.split_first() else {
        return;
    };
    fuzz_package(data);
    let mut check = RpmCheck::new(Expected::default());
    for piece in data.chunks(usize::from(size) * 16 + 1) {
        if check.update(piece).is_err() {
            return;
        }
    }
    let _ = check.finish();
});
