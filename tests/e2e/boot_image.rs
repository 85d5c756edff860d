//! Whole images of the mini release: what is delivered, what the report says, and that they boot.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use fbs_suite::command::{Program, head};
use fbs_suite::delivery::{sha256, strings};
use fbs_suite::tools::Stubs;
use fbs_suite::{Delivery, Finished, Folders, binaries, fake, need, python, release, turn};
use mini_release::{Repository, Server};
use serde_json::Value;

#[test]
fn the_example_builds_and_boots_by_bios_and_uefi() {
    if !need::met(&[need::BUILD, need::BOOT, &[need::Need::Tool("python3")]]) {
        return;
    }
    let _turn = turn::take();
    release::mini();
    let folders = Folders::new();
    let example = binaries::workspace().join("examples/boot.conf");
    let example = |command| {
        folders
            .fbs(command)
            .arg(&example)
            .arg("--json")
            .arg("--staging")
            .arg(folders.staging())
            .arg("--workdir")
            .arg(folders.work())
            .arg("--outdir")
            .arg(folders.outdir())
    };
    let plan = example("plan").run();
    let plan = plan.assert_exit(0).json();
    let build = example("build").run();
    build.assert_exit(0);

    let delivery = folders.delivery();
    delivery.assert_outcome("succeeded").assert_files();
    events_are_in_order(&build);
    report_tells_all(&delivery, &build);
    commands_are_those_of_the_plan(&delivery.report, &plan);
    packages_are_those_of_the_image_and_of_dnf(&folders, &delivery, &build);
    log_reads_like_the_originals(&delivery);
    it_booted(&delivery);
    tree_has_loraxs_layout(&folders.outdir());
    let iso = delivery.iso().unwrap();
    assert_eq!(
        sha256(&iso),
        sha256(&folders.outdir().join("images/boot.iso"))
    );
    let check = Program::new("checkisomd5").arg(&iso).run();
    check.assert_exit(0);
    lists_are_read_by_those_whose_formats_they_are(&delivery);
    folders.assert_nothing_left();
}

fn lists_are_read_by_those_whose_formats_they_are(delivery: &Delivery) {
    let sums = Program::new("sha256sum").args(["-c", "CHECKSUM"]);
    let name = delivery.iso().unwrap();
    let name = name.file_name().unwrap().to_string_lossy().into_owned();
    let sums = sums.folder(&delivery.folder).run();
    assert_eq!(sums.assert_exit(0).stdout, [format!("{name}: OK")]);
    let productmd = "import sys, productmd.images\n\
        images = productmd.images.Images()\n\
        images.load(sys.argv[1])\n\
        (image,) = images['Everything']['x86_64']\n\
        print(image.path, image.type, image.bootable, image.volume_id)\n";
    let read = Program::new(python::interpreter())
        .args(["-c", productmd])
        .arg(delivery.folder.join("images.json"));
    let read = read.run();
    let told = format!("{name} boot True Fedora-99-x86_64");
    assert_eq!(read.assert_exit(0).stdout, [told]);
    let sbom = name.replace(".iso", ".spdx.json");
    let spdx = Program::new(python::programs().join("pyspdxtools"))
        .arg("-i")
        .arg(delivery.folder.join(&sbom));
    spdx.run().assert_exit(0);
    let sbom = fs::read_to_string(delivery.folder.join(sbom)).unwrap();
    let sbom: Value = serde_json::from_str(&sbom).unwrap();
    // The image itself is one of them.
    let listed = sbom["packages"].as_array().unwrap().len() - 1;
    assert_eq!(listed, delivery.packages().len());
}

/// One JSON object an event, numbered without gaps, and each start with its end.
fn events_are_in_order(build: &Finished) {
    let events = build.events();
    for (event, number) in events.iter().zip(1_u64..) {
        assert_eq!(event["seq"], number, "{event}");
        assert!(
            event["time"]
                .as_str()
                .is_some_and(|time| time.ends_with('Z'))
        );
    }
    assert_eq!(events[0]["event"], "job_started");
    assert_eq!(events[events.len() - 1]["event"], "job_finished");
    let count = |name: &str| events.iter().filter(|event| event["event"] == name).count();
    assert_eq!(count("stage_started"), count("stage_finished"));
    assert_eq!(count("command_started"), count("command_finished"));
    assert_eq!(count("work_started"), count("work_finished"));
}

fn report_tells_all(delivery: &Delivery, build: &Finished) {
    let report = &delivery.report;
    assert_eq!(report["version"], 1);
    assert_eq!(
        report["spec"]["DEFAULT"]["release"], 99,
        "{}",
        report["spec"]
    );
    assert_eq!(report["backend"]["name"], "native");
    assert!(!report["backend"]["reason"].as_str().unwrap().is_empty());
    assert_eq!(report["error"], Value::Null);
    let work: Vec<&str> = (report["work"].as_array().unwrap().iter())
        .map(|one| one["work"].as_str().unwrap())
        .collect();
    assert!(work.contains(&"sha256"), "{work:?}");
    let time = |name: &str| report["time"][name].as_f64().unwrap();
    assert!(time("work_seconds") > 0.0, "{}", report["time"]);
    let known = time("command_seconds") + time("work_seconds");
    assert!(known <= time("total_seconds"), "{}", report["time"]);
    let stages: Vec<&str> = report["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stage| stage["stage"].as_str().unwrap())
        .collect();
    assert_eq!(
        stages,
        [
            "check",
            "packages",
            "root",
            "initramfs",
            "root_image",
            "iso",
            "verify",
            "boot_test",
            "transfer",
            "clear"
        ]
    );
    let records = ["stages", "commands"].map(|key| report[key].as_array().unwrap().as_slice());
    for record in records.concat() {
        // Whether there is KVM is found out by trying.
        assert!(
            record["probe"] == true || record["outcome"] == "succeeded",
            "{record}"
        );
        assert!(record["seconds"].is_f64(), "{record}");
        let ended = record["stage"] == "boot_test" || record["exit"]["code"] == 0;
        assert!(ended || record.get("command").is_none(), "{record}");
    }
    // What the events said is what the report says.
    let told: Vec<Value> = build
        .events()
        .into_iter()
        .filter(|event| event["event"] == "command_started")
        .map(|event| event["command"].clone())
        .collect();
    let recorded: Vec<Value> = report["commands"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["command"].clone())
        .collect();
    assert_eq!(recorded, told);
}

/// What `fbs plan` printed is what was run, but for the job's own folder, the kernel's version, which
/// only the installed root tells, and the image's time, which its newest package does.
fn commands_are_those_of_the_plan(report: &Value, plan: &Value) {
    let kernel = report["commands"]
        .as_array()
        .unwrap()
        .iter()
        .find_map(|record| {
            let (_, rest) = record["command"].as_str()?.split_once("--kver ")?;
            rest.split(' ').next()
        })
        .unwrap();
    let kernel_date = report["commands"]
        .as_array()
        .unwrap()
        .iter()
        .find_map(|record| {
            let command = record["command"].as_str()?;
            let (_, rest) = command.split_once("--setenv SOURCE_DATE_EPOCH ")?;
            rest.split(' ').next()
        })
        .unwrap();
    let seconds = report["source_date_epoch"]["seconds"].to_string();
    let mut planned = Vec::new();
    for step in plan["steps"].as_array().unwrap() {
        for command in step["commands"].as_array().unwrap() {
            let mut words = vec![command["program"].as_str().unwrap().to_owned()];
            words.extend(strings(&command["args"]));
            let line = words.join(" ").replace("{kernel-version}", kernel);
            let line = line.replace("{source-date-epoch}", &seconds);
            let line = line.replace("{kernel-date}", kernel_date);
            planned.push(line.replace(plan["job"].as_str().unwrap(), "JOB"));
        }
    }
    let mut ran = Vec::new();
    for record in report["commands"].as_array().unwrap() {
        let making = ["packages", "root", "initramfs", "root_image", "iso"];
        if !making.contains(&record["stage"].as_str().unwrap()) {
            continue;
        }
        // As a shell would read it, without the variables in front.
        let line = record["command"].as_str().unwrap();
        let line = line.replace(report["job"].as_str().unwrap(), "JOB");
        let words = Program::new("python3")
            .args([
                "-c",
                "import shlex, sys; print('\\n'.join(shlex.split(sys.argv[1])))",
            ])
            .arg(line)
            .run();
        let words = words.assert_exit(0).stdout.join(" ");
        let is_variable = |word: &&str| {
            word.split_once('=')
                .is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        };
        let words: Vec<&str> = words.split(' ').skip_while(is_variable).collect();
        // A root that was made in memory is copied for other builds; the plan knows of no memory.
        if !words.starts_with(&["cp", "--archive"]) {
            ran.push(words.join(" "));
        }
    }
    // The boot loaders are made while the root is filled: each in its own order.
    let apart = |commands: Vec<String>| -> (Vec<String>, Vec<String>) {
        let of_loaders = ["grub", "mkfs.vfat ", "mmd ", "mcopy "];
        let is_of_loaders = |line: &String| of_loaders.iter().any(|tool| line.starts_with(tool));
        commands.into_iter().partition(is_of_loaders)
    };
    assert_eq!(apart(ran), apart(planned));
}

fn packages_are_those_of_the_image_and_of_dnf(
    folders: &Folders,
    delivery: &Delivery,
    build: &Finished,
) {
    let packages: BTreeSet<String> = delivery.packages().into_iter().collect();
    assert_eq!(packages.len(), delivery.packages().len());
    assert!(packages.len() > 100, "{packages:?}");

    let iso = delivery.iso().unwrap();
    let verify = folders.fbs("verify").arg(&iso).arg("--json").run();
    let contents = verify.assert_exit(0).json();
    assert_eq!(contents["sha256"], sha256(&iso).as_str());
    assert_eq!(contents["packages"], delivery.report["image"]["packages"]);

    // dnf's transaction names each package as it installs it: "  Installing : bash-5.2-1.x86_64
    // 3/120".
    let installed: BTreeSet<String> = build
        .events()
        .iter()
        .filter_map(|event| {
            let line = event["line"].as_str()?.trim();
            let rest = line.strip_prefix("Installing ")?.trim_start();
            let name = rest.strip_prefix(": ")?.split_whitespace().next()?;
            Some(name.to_owned())
        })
        .collect();
    assert_eq!(packages, installed);
}

fn log_reads_like_the_originals(delivery: &Delivery) {
    let name = delivery.report["log"].as_str().unwrap();
    let stamp = name
        .strip_prefix("imagebuild_")
        .and_then(|n| n.strip_suffix(".log"));
    assert!(
        stamp.is_some_and(|s| s.len() == 14 && s.bytes().all(|b| b.is_ascii_digit())),
        "{name}"
    );
    for line in delivery.log.lines() {
        // 2012-08-11 16:07:58,798 - message
        let (time, _) = line.split_at(23);
        let shape: String = time
            .chars()
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        assert_eq!(shape, "0000-00-00 00:00:00,000", "{line}");
        assert_eq!(&line[23..26], " - ", "{line}");
    }
    let first: Vec<&str> = delivery
        .log
        .lines()
        .take(4)
        .map(|line| &line[26..])
        .collect();
    assert!(first[0].starts_with("Registered a new Image Build request from "));
    assert_eq!(
        first[1..],
        ["Image type:: boot", "Release:: 99", "Architecture:: x86_64"]
    );
}

fn it_booted(delivery: &Delivery) {
    let tests = delivery.report["boot_tests"].as_array().unwrap();
    let firmwares: Vec<&Value> = tests.iter().map(|test| &test["firmware"]).collect();
    assert_eq!(firmwares, ["bios", "uefi"]);
    for test in tests {
        assert_eq!(test["passed"], true, "{test}");
        assert!(test["matched_line"].is_string(), "{test}");
        let delivered = |key: &str| {
            let path = Path::new(test[key].as_str().unwrap());
            delivery.folder.join(path.file_name().unwrap())
        };
        let serial = fs::read(delivered("serial_log")).unwrap();
        let serial = String::from_utf8_lossy(&serial);
        assert!(serial.contains("Mini Release 99"), "{serial}");
        assert_eq!(&head::<8>(&delivered("screenshot")), b"\x89PNG\r\n\x1a\n");
    }
}

fn tree_has_loraxs_layout(tree: &Path) {
    for name in [
        ".discinfo",
        ".treeinfo",
        "EFI/BOOT/BOOTX64.EFI",
        "LiveOS/squashfs.img",
        "images/boot.iso",
        "images/pxeboot/initrd.img",
        "images/pxeboot/vmlinuz",
    ] {
        assert!(tree.join(name).is_file(), "{name}");
    }
    let discinfo = fs::read_to_string(tree.join(".discinfo")).unwrap();
    let lines: Vec<&str> = discinfo.lines().collect();
    assert!(lines[0].parse::<f64>().is_ok(), "{discinfo}");
    assert_eq!(lines[1..], ["Fedora 99", "x86_64"]);

    // As installers read it.
    let script = "import configparser, json, sys\n\
        info = configparser.RawConfigParser()\n\
        info.optionxform = str\n\
        info.read(sys.argv[1])\n\
        print(json.dumps({name: dict(info[name]) for name in info.sections()}))";
    let read = Program::new("python3")
        .args(["-c", script])
        .arg(tree.join(".treeinfo"))
        .run();
    let info = read.assert_exit(0).json();
    assert_eq!(info["general"]["family"], "Fedora");
    assert_eq!(info["general"]["version"], "99");
    assert_eq!(info["tree"]["arch"], "x86_64");
    assert_eq!(info["images-x86_64"]["boot.iso"], "images/boot.iso");
    assert_eq!(info["stage2"]["mainimage"], "LiveOS/squashfs.img");
    let checksums = info["checksums"].as_object().unwrap();
    for name in [
        &info["images-x86_64"]["kernel"],
        &info["images-x86_64"]["initrd"],
        &info["images-x86_64"]["boot.iso"],
        &info["stage2"]["mainimage"],
    ] {
        assert!(checksums.contains_key(name.as_str().unwrap()), "{name}");
    }
    for (name, sum) in checksums {
        assert_eq!(
            *sum,
            format!("sha256:{}", sha256(&tree.join(name))),
            "{name}"
        );
    }
}

#[test]
fn packages_come_over_http_and_updates_win() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let _turn = turn::take();
    let mini = release::mini();
    let server = Server::start(mini.root()).unwrap();
    let url = |repository| format!("{}/{}", server.url(), mini.folder(repository));
    let folders = Folders::new();
    let build = folders
        .fbs_spec("build", &folders.spec())
        .set("99_url", url(Repository::Release))
        .set("99-updates_url", url(Repository::Updates))
        .set("updates", "1")
        .set("packages", "@core;fbs-hello")
        .set("compression", "lz4")
        .run();
    build.assert_exit(0);
    assert!(server.requests() > 100, "{}", server.requests());
    let delivery = folders.delivery();
    let hello: Vec<String> = delivery
        .packages()
        .into_iter()
        .filter(|name| name.starts_with("fbs-hello-"))
        .collect();
    assert_eq!(hello, ["fbs-hello-1.1-1.noarch"]);
    assert_eq!(delivery.report["image"]["root_image"]["compression"], "lz4");

    // The second build takes the packages from the cache.
    let before = server.requests();
    let again = folders
        .fbs_spec("build", &folders.spec())
        .set("99_url", url(Repository::Release))
        .set("99-updates_url", url(Repository::Updates))
        .set("updates", "1")
        .set("packages", "@core;fbs-hello")
        .set("compression", "lz4")
        .run();
    again.assert_exit(0);
    let asked = server.requests() - before;
    assert!(asked < 20, "{asked} requests");
    folders.assert_nothing_left();
}

#[test]
fn xz_is_what_the_image_is_packed_with() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let folders = Folders::new();
    // Of a whole root it takes half a minute.
    let stubs = fake::root(Stubs::new(folders.top()));
    let build = folders.build().env("PATH", stubs.path());
    build.set("compression", "xz").run().assert_exit(0);
    let delivery = folders.delivery();
    assert_eq!(delivery.report["image"]["root_image"]["compression"], "xz");
    folders.assert_nothing_left();
}
