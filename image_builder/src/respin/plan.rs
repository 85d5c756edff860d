//! What xorriso is to do, as data.

use std::path::PathBuf;

use super::medium::EspPlace;
use crate::process::Invocation;

/// The partition type of an EFI system partition
/// ([UEFI specification, 5.3.3](https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html)).
const ESP_TYPE: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";

/// A file or folder of this host, and where it goes on the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    /// The file or folder.
    pub from: PathBuf,
    /// Its path on the image, without a leading slash.
    pub to: String,
    /// Whether a file of the image is replaced.
    pub replaces: bool,
}

/// Everything that is decided about the new image before it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RespinPlan {
    /// The image that it is made of, as an absolute path.
    pub image: PathBuf,
    /// The pipe that it is written to.
    pub pipe: PathBuf,
    /// Its label, if that changes.
    pub label: Option<String>,
    /// What is added and replaced, in this order.
    pub maps: Vec<Map>,
    /// The number of the partition that is replaced as the UEFI partition, and its new content.
    pub esp: Option<(u32, PathBuf)>,
    /// The commands by which xorriso makes what the image boots by, as it says itself of the image.
    pub boot: Vec<String>,
    /// Whether it gets a tree of names for Windows.
    pub joliet: bool,
    /// The time of everything new, in seconds since 1970.
    pub epoch: Option<u64>,
}

impl RespinPlan {
    /// Puts a changed UEFI partition back to where it was.
    pub(super) fn replace_esp(&mut self, place: &EspPlace, with: PathBuf) -> Result<(), String> {
        match place {
            EspPlace::File(path) => self.maps.push(Map {
                from: with,
                to: path.clone(),
                replaces: true,
            }),
            EspPlace::Partition(number) => self.esp = Some((*number, with)),
            EspPlace::Hidden => {
                return Err("it is neither a file nor a partition of the image".to_owned());
            }
        }
        Ok(())
    }

    /// xorriso, which writes the new image to the pipe: what the image boots by is made as it was,
    /// whatever that was.
    #[must_use]
    pub fn invocation(&self) -> Invocation {
        // -no_rc: the host's start-up files must not change what is written. xorriso looks whether
        // it is done as often as it reports.
        let mut xorriso = Invocation::new("xorriso")
            .args([
                "-no_rc",
                "-pacifier",
                "interval=0.1",
                "-iso_rr_pattern",
                "off",
            ])
            .arg("-indev")
            .arg(format!("stdio:{}", self.image.display()))
            .arg("-outdev")
            .arg(format!("stdio:{}", self.pipe.display()))
            .args(["-padding", "included"]);
        if self.joliet {
            xorriso = xorriso.args(["-joliet", "on", "-compliance", "joliet_long_names"]);
        }
        if let Some(label) = &self.label {
            xorriso = xorriso.args(["-volid", label]);
        }
        for map in &self.maps {
            let command = if map.replaces { "-update" } else { "-map" };
            xorriso = xorriso
                .arg(command)
                .path(&map.from)
                .arg(format!("/{}", map.to));
        }
        let targets: Vec<String> = self.maps.iter().map(|map| format!("/{}", map.to)).collect();
        let on_all = |xorriso: Invocation, command: &[&str]| match targets.is_empty() {
            true => xorriso,
            false => xorriso
                .args(command.iter().copied())
                .args(&targets)
                .arg("--"),
        };
        xorriso = on_all(xorriso, &["-chown_r", "0"]);
        xorriso = on_all(xorriso, &["-chgrp_r", "0"]);
        if let Some(epoch) = self.epoch {
            let time = format!("={epoch}");
            xorriso = on_all(xorriso, &["-alter_date_r", "b-c", &time]);
            xorriso = on_all(xorriso, &["-alter_date_r", "c", &time]);
            xorriso = xorriso.env("SOURCE_DATE_EPOCH", epoch.to_string());
        }
        // What `-boot_image any replay` does, which must come before files are replaced, and would
        // then keep the boot images that were there.
        xorriso = xorriso
            .args(["-boot_image", "any", "discard"])
            .args(&self.boot);
        if let Some((number, esp)) = &self.esp {
            xorriso = xorriso
                .args(["-append_partition", &number.to_string(), ESP_TYPE])
                .path(esp);
        }
        xorriso
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> RespinPlan {
        RespinPlan {
            image: "/a.iso".into(),
            pipe: "/w/pipe".into(),
            label: None,
            maps: Vec::new(),
            esp: None,
            boot: vec!["-boot_image".into(), "any".into(), "cat_path=/c".into()],
            joliet: false,
            epoch: None,
        }
    }

    #[test]
    fn nothing_but_a_label() {
        let plan = RespinPlan {
            label: Some("QA".into()),
            ..plan()
        };
        assert_eq!(
            plan.invocation().to_string(),
            "xorriso -no_rc -pacifier interval=0.1 -iso_rr_pattern off -indev stdio:/a.iso \
             -outdev stdio:/w/pipe -padding included -volid QA -boot_image any discard \
             -boot_image any cat_path=/c"
        );
    }

    #[test]
    fn files_and_the_uefi_partition() {
        let map = |from: &str, to: &str, replaces: bool| Map {
            from: from.into(),
            to: to.into(),
            replaces,
        };
        let mut plan = RespinPlan {
            maps: vec![map("/x/a b", "a b", false)],
            joliet: true,
            epoch: Some(7),
            ..plan()
        };
        plan.replace_esp(&EspPlace::Partition(2), "/w/esp".into())
            .unwrap();
        assert_eq!(
            plan.invocation().to_string(),
            "SOURCE_DATE_EPOCH=7 xorriso -no_rc -pacifier interval=0.1 -iso_rr_pattern off \
             -indev stdio:/a.iso -outdev stdio:/w/pipe -padding included \
             -joliet on -compliance joliet_long_names \
             -map '/x/a b' '/a b' -chown_r 0 '/a b' -- -chgrp_r 0 '/a b' -- \
             -alter_date_r b-c =7 '/a b' -- -alter_date_r c =7 '/a b' -- \
             -boot_image any discard -boot_image any cat_path=/c \
             -append_partition 2 C12A7328-F81F-11D2-BA4B-00A0C93EC93B /w/esp"
        );
        plan.replace_esp(
            &EspPlace::File("images/efiboot.img".into()),
            "/w/esp".into(),
        )
        .unwrap();
        assert_eq!(plan.maps[1], map("/w/esp", "images/efiboot.img", true));
        assert!(
            plan.replace_esp(&EspPlace::Hidden, "/w/esp".into())
                .is_err()
        );
    }
}
