//! Boots of hand-made images. A whole Fedora-like image is booted by the end-to-end suite.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

use super::super::kvm::boot_sector;
use super::super::test_tools::{available, context, context_without};
use super::super::{
    Accelerator, BootPath, BootTest, BootTestError, BootVerdict, FailureKind, Firmware, GuestArch,
};
use crate::context::BuildContext;
use crate::error::{ErrorKind, StageError};
use crate::events::{BuildEvent, EventKind};
use crate::process::Invocation;

const TOOLS: &[&str] = &["qemu-system-x86_64", "xorriso"];

/// `cli; hlt; jmp $-1`
const HALT: &[u8] = &[0xfa, 0xf4, 0xeb, 0xfd];

/// A triple fault: an empty interrupt table, and an interrupt.
const RESET: &[u8] = &[
    0x66, 0x31, 0xc0, // xor eax, eax
    0x66, 0x50, 0x66, 0x50, // push eax; push eax
    0x89, 0xe5, // mov bp, sp
    0x0f, 0x01, 0x5e, 0x00, // lidt [bp]
    0xcd, 0x03, // int 3
];

/// ACPI power off on the i440fx board: SLP_EN with type 0 to PM1a control.
const POWER_OFF: &[u8] = &[
    0xba, 0x04, 0x06, // mov dx, 0x604
    0xb8, 0x00, 0x20, // mov ax, 0x2000
    0xef, // out dx, ax
    0xf4, 0xeb, 0xfd,
];

/// Machine code that writes `text` to the first serial port.
fn say(text: &str) -> Vec<u8> {
    let port = [0xba, 0xf8, 0x03]; // mov dx, 0x3f8
    let byte = |b: u8| [0xb0, b, 0xee]; // mov al, b; out dx, al
    port.into_iter()
        .chain(text.bytes().flat_map(byte))
        .collect()
}

fn then(mut code: Vec<u8>, end: &[u8]) -> Vec<u8> {
    code.extend(end);
    code
}

/// A bootable image, and a folder for results.
struct Fixture {
    dir: TempDir,
}

impl Fixture {
    /// An image whose El Torito entry is `code`, with `files` beside it.
    async fn new(code: &[u8], files: &[(&str, &[u8])]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        std::fs::create_dir(&tree).unwrap();
        std::fs::write(tree.join("boot.img"), boot_sector(code)).unwrap();
        for (path, content) in files {
            let path = tree.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let xorriso = Invocation::new("xorriso")
            .args(["-as", "mkisofs", "-R", "-V", "BOOT", "-o", "a,b.iso"])
            .args(["-b", "boot.img", "-no-emul-boot", "-boot-load-size", "4"])
            .path(&tree);
        context().run(&xorriso.cwd(dir.path())).await.unwrap();
        Self { dir }
    }

    fn test(&self) -> BootTest {
        let iso = self.dir.path().join("a,b.iso");
        BootTest {
            timeout: Duration::from_secs(60),
            memory_mib: 64,
            ..BootTest::new(iso, Firmware::Bios, self.dir.path().join("out"))
        }
    }
}

fn assert_png(verdict: &BootVerdict) {
    let path = verdict.screenshot.as_ref().unwrap();
    let bytes = std::fs::read(path).unwrap();
    assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"), "{path:?}");
}

/// The folder of the sockets, out of a QEMU command line.
fn private_dir(command: &str) -> PathBuf {
    let (_, rest) = command.split_once("id=serial,path=").unwrap();
    let (socket, _) = rest.split_once(['\'', ' ']).unwrap();
    Path::new(socket).parent().unwrap().to_owned()
}

/// No QEMU with these sockets, and no sockets.
fn assert_nothing_left(command: &str) {
    let dir = private_dir(command);
    assert!(!dir.exists(), "{dir:?} is left");
    let name = dir.to_string_lossy().into_owned();
    for entry in std::fs::read_dir("/proc").unwrap() {
        let path = entry.unwrap().path().join("cmdline");
        let Ok(bytes) = std::fs::read(path) else {
            continue;
        };
        let cmdline = String::from_utf8_lossy(&bytes);
        assert!(!cmdline.contains(&name), "still running: {cmdline}");
    }
}

#[tokio::test]
async fn a_login_prompt_without_a_line_end_passes() {
    if !available(TOOLS) {
        return;
    }
    let code = then(
        say("\x1b[2J\x1b[1;1HFedora\r\n\x1b[1mlocalhost\x1b[0m login: "),
        HALT,
    );
    let fixture = Fixture::new(&code, &[]).await;
    let verdict = fixture.test().run(&context()).await.unwrap();
    assert!(verdict.passed, "{verdict:?}");
    assert_eq!(verdict.matched_line.as_deref(), Some("localhost login:"));
    assert_eq!(verdict.boot_path, BootPath::Loader);
    assert_eq!(verdict.failure, None);
    assert!(verdict.seconds > 0.0 && verdict.seconds < 60.0);
    assert_png(&verdict);
    assert!(
        verdict
            .screenshot
            .as_ref()
            .unwrap()
            .ends_with("out/boot-bios.png")
    );
    assert!(verdict.serial_log.ends_with("out/boot-bios.serial.log"));
    let log = std::fs::read_to_string(&verdict.serial_log).unwrap();
    assert!(log.contains("Fedora\r\n\x1b[1mlocalhost"), "{log:?}");
    assert_nothing_left(&verdict.command);
    let json = serde_json::to_string(&verdict).unwrap();
    assert_eq!(serde_json::from_str::<BootVerdict>(&json).unwrap(), verdict);
}

#[tokio::test]
async fn silence_is_a_verdict_after_the_time_limit() {
    if !available(TOOLS) {
        return;
    }
    let fixture = Fixture::new(HALT, &[]).await;
    let test = BootTest {
        timeout: Duration::from_secs(3),
        ..fixture.test()
    };
    let verdict = test.run(&context()).await.unwrap();
    let failure = verdict.failure.clone().unwrap();
    assert!(!verdict.passed);
    assert_eq!(failure.kind, FailureKind::TimedOut);
    assert_eq!(
        failure.summary(),
        "timed out; the serial console stayed empty"
    );
    assert!(verdict.seconds >= 3.0, "{}", verdict.seconds);
    assert_png(&verdict);
    assert_nothing_left(&verdict.command);
}

#[tokio::test]
async fn a_panic_ends_the_wait() {
    if !available(TOOLS) {
        return;
    }
    let code = then(say("one\nKernel panic - not syncing: x\ntwo\n"), HALT);
    let fixture = Fixture::new(&code, &[]).await;
    let verdict = fixture.test().run(&context()).await.unwrap();
    let failure = verdict.failure.clone().unwrap();
    assert_eq!(failure.kind, FailureKind::KernelPanic);
    assert_eq!(
        failure.summary(),
        "kernel panic: Kernel panic - not syncing: x"
    );
    assert_eq!(
        failure.last_lines,
        ["one", "Kernel panic - not syncing: x", "two"]
    );
    assert!(verdict.seconds < 50.0);
    assert_png(&verdict);
}

#[tokio::test]
async fn a_guest_that_stops_is_told_from_one_that_hangs() {
    if !available(TOOLS) {
        return;
    }
    for (end, kind) in [
        (RESET, FailureKind::Reset),
        (POWER_OFF, FailureKind::PoweredOff),
    ] {
        let fixture = Fixture::new(&then(say("last words"), end), &[]).await;
        let verdict = fixture.test().run(&context()).await.unwrap();
        let failure = verdict.failure.clone().unwrap();
        assert_eq!(failure.kind, kind);
        assert_eq!(failure.last_lines, ["last words"]);
        assert_png(&verdict);
        assert_nothing_left(&verdict.command);
    }
}

#[tokio::test]
async fn a_line_before_the_power_goes_off_counts() {
    if !available(TOOLS) {
        return;
    }
    let code = then(say("all tests passed\n"), POWER_OFF);
    let fixture = Fixture::new(&code, &[]).await;
    let test = BootTest {
        expect: "^all tests passed$".into(),
        ..fixture.test()
    };
    let verdict = test.run(&context()).await.unwrap();
    assert_eq!(verdict.matched_line.as_deref(), Some("all tests passed"));
}

#[tokio::test]
async fn what_the_bios_says_ends_the_wait_too() {
    if !available(TOOLS) {
        return;
    }
    let fixture = Fixture::new(HALT, &[]).await;
    let plain = fixture.dir.path().join("plain.iso");
    let xorriso = Invocation::new("xorriso")
        .args(["-as", "mkisofs", "-R", "-o"])
        .path(&plain)
        .path(&fixture.dir.path().join("tree"));
    context().run(&xorriso).await.unwrap();
    let test = BootTest {
        iso: plain,
        ..fixture.test()
    };
    let verdict = test.run(&context()).await.unwrap();
    let failure = verdict.failure.unwrap();
    assert_eq!(failure.kind, FailureKind::NoBootableDevice);
    assert_eq!(failure.line.as_deref(), Some("No bootable device."));
}

/// A kernel for the Linux boot protocol that says `text` from its setup code:
/// <https://docs.kernel.org/arch/x86/boot.html>.
fn kernel(text: &str) -> Vec<u8> {
    let mut image = vec![0; 5 * 512];
    image[0x1f1] = 4; // sectors of setup code
    image[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
    image[0x200..0x202].copy_from_slice(&[0xeb, 0x66]); // jmp 0x268
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x206..0x208].copy_from_slice(&[0x06, 0x02]); // version 2.6
    image[0x211] = 1; // loaded high
    image[0x22c..0x230].copy_from_slice(&0x37ff_ffff_u32.to_le_bytes());
    let code = then(say(text), HALT);
    image[0x268..0x268 + code.len()].copy_from_slice(&code);
    image.resize(8 * 512, 0);
    image
}

#[tokio::test]
async fn a_menu_without_a_serial_console_is_passed_by() {
    if !available(TOOLS) {
        return;
    }
    let menu = b"menuentry 'Install' {\n linux /images/pxeboot/vmlinuz a=b quiet\n initrd /images/pxeboot/initrd.img\n}\n";
    let kernel = kernel("fedora login: ");
    let files: &[(&str, &[u8])] = &[
        ("boot/grub2/grub.cfg", menu),
        ("images/pxeboot/vmlinuz", &kernel),
        ("images/pxeboot/initrd.img", b"initrd"),
    ];
    let fixture = Fixture::new(HALT, files).await;
    let verdict = fixture.test().run(&context()).await.unwrap();
    assert!(verdict.passed, "{verdict:?}");
    assert_eq!(
        verdict.boot_path,
        BootPath::DirectKernel {
            kernel: "images/pxeboot/vmlinuz".into(),
            command_line: "a=b console=ttyS0,115200".into(),
        }
    );
}

/// A context whose events are kept; the job is cancelled as soon as the console says something.
fn cancelling_context() -> (BuildContext, Arc<Mutex<Vec<EventKind>>>) {
    let ctx = context();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = {
        let (seen, cancel) = (Arc::clone(&seen), ctx.cancel.clone());
        move |event: &BuildEvent| {
            if matches!(&event.kind, EventKind::Output { line, .. } if line == "bios: hello") {
                cancel.cancel();
            }
            seen.lock().unwrap().push(event.kind.clone());
        }
    };
    ctx.events.add_sink(Arc::new(sink));
    (ctx, seen)
}

#[tokio::test]
async fn cancelling_ends_qemu_and_leaves_nothing() {
    if !available(TOOLS) {
        return;
    }
    let fixture = Fixture::new(&then(say("hello\n"), HALT), &[]).await;
    let (ctx, seen) = cancelling_context();
    let started = std::time::Instant::now();
    let error = fixture.test().run(&ctx).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert!(started.elapsed() < Duration::from_secs(45));
    let command = seen.lock().unwrap().iter().find_map(|event| match event {
        EventKind::CommandStarted { command, .. } if command.contains("id=serial") => {
            Some(command.clone())
        }
        _ => None,
    });
    assert_nothing_left(&command.unwrap());
}

#[tokio::test]
async fn says_at_once_what_cannot_be_tested() {
    if !available(TOOLS) {
        return;
    }
    let fixture = Fixture::new(HALT, &[]).await;
    let error = |test: BootTest| async move { test.run(&context()).await.unwrap_err() };

    let bad = error(BootTest {
        expect: "(".into(),
        ..fixture.test()
    });
    assert!(matches!(bad.await, BootTestError::Pattern { .. }));

    let arm = error(BootTest {
        arch: GuestArch::Aarch64,
        ..fixture.test()
    });
    assert_eq!(
        arm.await.to_string(),
        "aarch64 has no BIOS; boot it with uefi"
    );

    let missing = error(BootTest {
        iso: "/no/such.iso".into(),
        ..fixture.test()
    });
    let missing = missing.await;
    assert!(
        missing
            .to_string()
            .starts_with("/no/such.iso: No such file")
    );
    assert_eq!(missing.kind(), ErrorKind::Usage);

    // More memory than any host has: QEMU says so and ends before it connects.
    let much = error(BootTest {
        memory_mib: u32::MAX,
        ..fixture.test()
    });
    let much = much.await;
    assert!(matches!(much, BootTestError::NotStarted { .. }), "{much}");
    assert_eq!(much.kind(), ErrorKind::Host);
}

#[tokio::test]
async fn the_verdict_names_the_accelerator() {
    if !available(TOOLS) {
        return;
    }
    let fixture = Fixture::new(&then(say("login: "), HALT), &[]).await;
    let verdict = fixture.test().run(&context()).await.unwrap();
    let expected = match verdict.accelerator {
        Accelerator::Kvm => "-accel kvm ",
        Accelerator::Tcg => "-accel tcg,thread=multi,tb-size=512 ",
    };
    assert!(verdict.command.contains(expected), "{}", verdict.command);
}

#[tokio::test]
async fn a_host_without_qemu_is_told_which_package_brings_it() {
    if !available(TOOLS) {
        return;
    }
    let fixture = Fixture::new(HALT, &[]).await;
    let ctx = context_without("qemu-system-x86_64");
    let error = fixture.test().run(&ctx).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`qemu-system-x86_64` is not installed; \
         it is in qemu-system-x86-core (Fedora) or qemu-system-x86 (Debian)"
    );
    assert_eq!(error.kind(), ErrorKind::Host);
}
