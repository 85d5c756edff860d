//! Tests with the real programs: images are made with xorriso, read back, and booted in QEMU.

mod boot;
mod iso;
