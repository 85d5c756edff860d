//! Does KVM really work on this host?
//!
//! Inside some virtual machines `/dev/kvm` opens and runs small code, but emulates every
//! instruction of it: a boot then takes hours. So the probe boots a program that computes: it goes
//! to 64-bit mode with paging on, runs some hundred million instructions with memory writes, and
//! ends QEMU through its debug exit port. A processor needs a tenth of a second for it, and so does
//! translation.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;

use super::qemu::{Accelerator, GuestArch};
use crate::context::BuildContext;
use crate::process::{CommandError, Discard, Exit, Invocation};

/// How long the probe may take.
const LIMIT: Duration = Duration::from_secs(5);

/// The probe writes 0x10; `isa-debug-exit` makes `(value << 1) | 1` of it.
const WORKS: i32 = 0x10 << 1 | 1;

/// `kvm_probe.S`, assembled.
const PROBE: &[u8] = &[
    0xfa, 0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0, 0xbc, 0x00, 0x7c, 0xbf, 0x00, 0x10, 0xb9,
    0x00, 0x30, 0xf3, 0xaa, 0xc7, 0x06, 0x00, 0x10, 0x03, 0x20, 0xc7, 0x06, 0x00, 0x20, 0x03, 0x30,
    0xc7, 0x06, 0x00, 0x30, 0x83, 0x00, 0x0f, 0x01, 0x16, 0x90, 0x7c, 0x66, 0xb8, 0x20, 0x00, 0x00,
    0x00, 0x0f, 0x22, 0xe0, 0x66, 0xb8, 0x00, 0x10, 0x00, 0x00, 0x0f, 0x22, 0xd8, 0x66, 0xb9, 0x80,
    0x00, 0x00, 0xc0, 0x0f, 0x32, 0x0d, 0x00, 0x01, 0x0f, 0x30, 0x66, 0xb8, 0x01, 0x00, 0x00, 0x80,
    0x0f, 0x22, 0xc0, 0xea, 0x58, 0x7c, 0x08, 0x00, 0xb9, 0x00, 0x2d, 0x31, 0x01, 0x89, 0xc8, 0xc1,
    0xe0, 0x03, 0x25, 0xf8, 0xff, 0x00, 0x00, 0x05, 0x00, 0x00, 0x01, 0x00, 0x48, 0x89, 0x08, 0xff,
    0xc9, 0x75, 0xea, 0xb0, 0x10, 0xe6, 0xf4, 0xf4, 0xeb, 0xfd, 0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x9a, 0x20, 0x00,
    0x0f, 0x00, 0x80, 0x7c,
];

/// The fastest way to run `arch` on this host, found out once in each process.
///
/// On aarch64 the probe's code does not run: there KVM is taken when its device opens.
///
/// # Errors
///
/// When QEMU is missing or the job was cancelled.
pub(super) async fn accelerator(
    ctx: &BuildContext,
    arch: GuestArch,
) -> Result<Accelerator, CommandError> {
    static WORKING: OnceCell<bool> = OnceCell::const_new();
    if arch.name() != std::env::consts::ARCH || !device_opens() {
        return Ok(Accelerator::Tcg);
    }
    let working = WORKING
        .get_or_try_init(|| async {
            match arch {
                GuestArch::X86_64 => probe(ctx, "kvm", "host").await,
                GuestArch::Aarch64 => Ok(true),
            }
        })
        .await?;
    Ok(if *working {
        Accelerator::Kvm
    } else {
        ctx.events
            .info("/dev/kvm is there but does not really work: QEMU translates instead");
        Accelerator::Tcg
    })
}

fn device_opens() -> bool {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).open("/dev/kvm").is_ok()
}

/// Runs the probe under `accel`.
async fn probe(ctx: &BuildContext, accel: &str, cpu: &str) -> Result<bool, CommandError> {
    let dir = tempfile::Builder::new()
        .prefix("fbs-kvm-")
        .tempdir()
        .map_err(|error| unwritable(&error))?;
    let disk = dir.path().join("probe.img");
    tokio::fs::write(&disk, boot_sector(PROBE))
        .await
        .map_err(|error| unwritable(&error))?;
    let sink = Arc::new(Discard);
    match ctx
        .run_into(&invocation(accel, cpu, &disk), sink, &ctx.cancel)
        .await
    {
        Ok(done) => Ok(done.exit == Exit::Code(WORKS)),
        Err(error @ (CommandError::NotFound { .. } | CommandError::Cancelled { .. })) => Err(error),
        Err(_) => Ok(false),
    }
}

fn unwritable(error: &std::io::Error) -> CommandError {
    CommandError::Spawn {
        program: GuestArch::X86_64.program().to_owned(),
        reason: format!("no temporary file: {error}"),
    }
}

fn invocation(accel: &str, cpu: &str, disk: &Path) -> Invocation {
    let disk = disk.to_string_lossy().replace(',', ",,");
    Invocation::new(GuestArch::X86_64.program())
        .args(["-nodefaults", "-no-user-config", "-machine", "pc"])
        .args(["-accel", accel, "-cpu", cpu, "-m", "16"])
        .args(["-display", "none", "-monitor", "none", "-net", "none"])
        .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"])
        .arg("-drive")
        .arg(format!("if=ide,format=raw,snapshot=on,file={disk}"))
        .timeout(LIMIT)
        .accept(WORKS)
        .probe()
}

/// `code` as a disk of one sector that a BIOS boots.
pub(super) fn boot_sector(code: &[u8]) -> Vec<u8> {
    let mut sector = code.to_vec();
    sector.resize(510, 0);
    sector.extend([0x55, 0xaa]);
    sector
}

#[cfg(test)]
mod tests {
    use super::super::test_tools::{available, context};
    use super::*;

    #[tokio::test]
    async fn the_probe_can_succeed() {
        if !available(&["qemu-system-x86_64"]) {
            return;
        }
        assert!(probe(&context(), "tcg", "qemu64").await.unwrap());
    }

    #[tokio::test]
    async fn the_probe_can_fail() {
        if !available(&["qemu-system-x86_64"]) {
            return;
        }
        assert!(
            !probe(&context(), "no-such-accelerator", "qemu64")
                .await
                .unwrap()
        );
    }

    #[tokio::test]
    async fn kvm_is_taken_only_where_it_works() {
        if !available(&["qemu-system-x86_64"]) {
            return;
        }
        let ctx = context();
        let works = device_opens() && probe(&ctx, "kvm", "host").await.unwrap();
        let expected = match works {
            true if std::env::consts::ARCH == "x86_64" => Accelerator::Kvm,
            _ => Accelerator::Tcg,
        };
        assert_eq!(
            accelerator(&ctx, GuestArch::X86_64).await.unwrap(),
            expected
        );
    }

    #[tokio::test]
    async fn the_bytes_are_what_the_source_says() {
        if !available(&["as", "ld"]) {
            return;
        }
        let ctx = context();
        let dir = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/verify/kvm_probe.S");
        let assemble = Invocation::new("as")
            .args(["--64", "-o", "probe.o"])
            .path(&source);
        ctx.run(&assemble.cwd(dir.path())).await.unwrap();
        let link = Invocation::new("ld")
            .args([
                "-m",
                "elf_x86_64",
                "-Ttext",
                "0x7c00",
                "--oformat",
                "binary",
            ])
            .args(["-o", "probe.img", "probe.o"]);
        ctx.run(&link.cwd(dir.path())).await.unwrap();
        let assembled = std::fs::read(dir.path().join("probe.img")).unwrap();
        assert_eq!(assembled, boot_sector(PROBE));
    }
}
