//! `images.json`: what the image is, in the words of Fedora's composes.

use serde_json::{Value, json};

use crate::plan::{BuildPlan, ImagePlan};
use crate::report::FileRecord;
use crate::spec::ImageType;
use crate::verify::IsoContents;

/// In [productmd's format 1.2](https://productmd.readthedocs.io/en/latest/images-1.2.html). The
/// compose is the job; a test compose (`type` `test`), as whatever is not released.
pub(super) fn json(plan: &BuildPlan, image: &FileRecord, contents: &IsoContents) -> Value {
    let date = plan.created.strftime("%Y%m%d").to_string();
    let arch = plan.arch.basearch();
    let (variant, subvariant) = match &plan.image {
        ImagePlan::Dvd(dvd) => (dvd.flavor.as_str(), dvd.flavor.as_str()),
        ImagePlan::Live(_) => ("Spins", "Live"),
        ImagePlan::Boot => ("Everything", "Everything"),
    };
    let kind = match plan.image_type {
        ImageType::Boot => "boot",
        ImageType::Dvd => "dvd",
        ImageType::Live => "live",
    };
    json!({
        "header": { "type": "productmd.images", "version": "1.2" },
        "payload": {
            "compose": {
                "id": format!("{}-{}-{date}.t.0", compose_word(&plan.product), plan.release),
                "date": date,
                "respin": 0,
                "type": "test",
            },
            "images": { variant: { arch: [{
                "arch": arch,
                "bootable": !contents.boot_entries.is_empty(),
                "checksums": { "sha256": image.sha256 },
                "disc_count": 1,
                "disc_number": 1,
                "format": "iso",
                "implant_md5": contents.implanted_md5.md5(),
                "mtime": plan.created.as_second(),
                "path": image.name,
                "size": image.size,
                "subvariant": subvariant,
                "type": kind,
                "volume_id": contents.volume_id,
            }] } },
        },
    })
}

/// The product in a compose's id, where dashes part the words.
fn compose_word(product: &str) -> String {
    product
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect()
}
