//! The menus of an image and of its UEFI partition, changed alike.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::boot_config::{self, Dialect, Edit};
use super::error::RespinError;
use super::esp::EspFiles;
use super::medium::Medium;
use crate::context::BuildContext;

/// What became of the menus.
#[derive(Debug, Default)]
pub(super) struct Changed {
    /// Changed menus of the image and their paths on it.
    pub(super) files: Vec<(PathBuf, String)>,
    /// Changed menus of the UEFI partition.
    pub(super) in_esp: Vec<String>,
    pub(super) kernel_lines: usize,
    pub(super) labels: usize,
}

/// Carries out `edit` in all menus. Those of the image are left in `work`; the UEFI partition is
/// changed in place.
pub(super) async fn change(
    ctx: &BuildContext,
    medium: &Medium,
    esp: Option<&EspFiles>,
    edit: &Edit,
    work: &Path,
    time: Option<SystemTime>,
) -> Result<Changed, RespinError> {
    let mut changed = Changed::default();
    for (path, text) in &medium.menus {
        if let Some(new) = changed.edit(ctx, path, text, edit) {
            let file = work.join(format!("menu-{}", changed.files.len()));
            std::fs::write(&file, new).map_err(RespinError::io(&file))?;
            changed.files.push((file, path.clone()));
        }
    }
    let Some(esp) = esp else { return Ok(changed) };
    for path in esp.paths.iter().filter(|path| Dialect::of(path).is_some()) {
        let text = esp.read(ctx, path).await?;
        let text = String::from_utf8_lossy(&text);
        if let Some(new) = changed.edit(ctx, path, &text, edit) {
            esp.replace(ctx, path, new.as_bytes(), time).await?;
            changed.in_esp.push(path.clone());
        }
    }
    Ok(changed)
}

impl Changed {
    /// The new text, if it is another.
    fn edit(&mut self, ctx: &BuildContext, path: &str, text: &str, edit: &Edit) -> Option<String> {
        let edited = boot_config::edit(Dialect::of(path)?, text, edit);
        self.kernel_lines += edited.kernel_lines;
        self.labels += edited.labels;
        if let Some((old, new)) = &edit.label {
            for line in still_named(&edited.text, old, new) {
                ctx.events.warn(format!(
                    "/{path} still has the old label where it may mean something else: {line}"
                ));
            }
        }
        (edited.text != text).then_some(edited.text)
    }
}

/// Lines that have the old label in other places than those that are known; titles are none.
fn still_named<'a>(text: &'a str, old: &str, new: &str) -> Vec<&'a str> {
    let is_title = |line: &str| line.starts_with("menuentry") || line.starts_with("submenu");
    let lines = text.lines().map(str::trim);
    let named = lines.filter(|line| line.replace(new, "").contains(old));
    // A short label is a word like another.
    named
        .filter(|line| old.len() > 3 && !is_title(line) && !line.starts_with('#'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_a_label_is_pointed_out() {
        let text =
            "menuentry 'F-43-x' {\n set medium=F-43-x\n linux /v a=LABEL=F-43-x2\n# F-43-x\n}";
        assert_eq!(
            still_named(text, "F-43-x", "F-43-x2"),
            ["set medium=F-43-x"]
        );
        assert_eq!(still_named(text, "F-4", "QA"), [] as [&str; 0]);
    }
}
