//! `fbs boot-test`.

use image_builder::context::BuildContext;
use image_builder::events::Stage;
use image_builder::spec::Arch;
use image_builder::verify::{self, BootTestError, BootVerdict, Firmware, GuestArch};
use serde_json::json;

use super::cancelled_by_signals;
use super::verify::unread;
use crate::args::{BootTest, FirmwareArg};
use crate::display;
use crate::exit::{self, Exit};
use crate::output::{self, tell};

pub(crate) async fn run(args: &BootTest) -> Exit {
    let arch = args.arch.or(Arch::host()).unwrap_or(Arch::X86_64);
    let Some(arch) = GuestArch::of(arch) else {
        exit::say(format_args!("images for {arch} cannot be booted here"));
        tell!("hint: --arch x86_64 and aarch64 can");
        return Exit::Usage;
    };
    // Before anything is shown: it is the caller's mistake, not the test's.
    if let Some(Err(error)) = args.expect.as_deref().map(verify::BootTest::check_expect) {
        return exit::error(&error);
    }
    let firmwares: &[Firmware] = match args.firmware {
        FirmwareArg::Bios => &[Firmware::Bios],
        FirmwareArg::Uefi => &[Firmware::Uefi],
        FirmwareArg::Both => &[Firmware::Bios, Firmware::Uefi],
    };
    let ctx = BuildContext::new(display::events(args.json), cancelled_by_signals());
    let tests: Vec<verify::BootTest> = firmwares
        .iter()
        .map(|firmware| test(args, arch, *firmware))
        .collect();
    let at_once = std::thread::available_parallelism().map_or(1, usize::from);
    let tested = ctx
        .stage(Stage::BootTest, verify::boot_each(&ctx, &tests, at_once))
        .await;
    let verdicts = match tested {
        Ok(verdicts) => verdicts,
        Err(BootTestError::Image(error)) => return unread(&error),
        Err(error) => return exit::error(&error),
    };
    verdicts.iter().for_each(describe);
    if args.json {
        match serde_json::to_value(&verdicts) {
            Ok(verdicts) => output::json_line(&json!({ "verdicts": verdicts })),
            Err(error) => {
                exit::say(error);
                return Exit::Failed;
            }
        }
    }
    if verdicts.iter().all(|verdict| verdict.passed) {
        Exit::Done
    } else {
        Exit::Failed
    }
}

fn test(args: &BootTest, arch: GuestArch, firmware: Firmware) -> verify::BootTest {
    let mut test = verify::BootTest::new(&args.iso, firmware, &args.output);
    test.arch = arch;
    test.memory_mib = args.memory;
    test.timeout = args.timeout.duration();
    if let Some(expect) = &args.expect {
        test.expect.clone_from(expect);
    }
    test
}

fn describe(verdict: &BootVerdict) {
    let line = verdict.matched_line.as_deref().unwrap_or_default().trim();
    let BootVerdict {
        firmware,
        seconds,
        accelerator,
        ..
    } = verdict;
    if verdict.passed {
        tell!("{firmware}: boots in {seconds:.0} s ({accelerator}): {line}");
    } else {
        let why = verdict.failure.as_ref().map(verify::BootFailure::summary);
        tell!("{firmware}: does not boot: {}", why.unwrap_or_default());
    }
    if matches!(verdict.boot_path, verify::BootPath::DirectKernel { .. }) {
        tell!(
            "{firmware}: the kernel was started directly: the image's boot menu has no serial console"
        );
    }
    tell!("  serial log  {}", verdict.serial_log.display());
    if let Some(screenshot) = &verdict.screenshot {
        tell!("  screenshot  {}", screenshot.display());
    }
}
