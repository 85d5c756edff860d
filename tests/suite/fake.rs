//! The slow half of a native build as stubs: a root of a few files, in a moment.

use mini_release::Repository;

use crate::folders::entries;
use crate::release;
use crate::tools::Stubs;

/// `dnf` and `bwrap` that install and run nothing. The root has a kernel of 64 KiB that does not
/// boot, a database with one package, and `/ballast` of `FBS_STUB_MIB` MiB that cannot be compressed. While the file
/// `hold` is in the test's folder, half of the packages are installed.
pub fn root(stubs: Stubs) -> Stubs {
    stubs.script("dnf", "exit 0").script("bwrap", &bwrap())
}

/// The stub of bubblewrap, for stubs that go before it.
pub fn bwrap() -> String {
    let updates = release::mini().folder(Repository::Updates);
    let packages = release::mini().root().join(updates).join("Packages");
    let package = entries(&packages).remove(0);
    BWRAP.replace("{package}", &package.to_string_lossy())
}

const BWRAP: &str = r#"
while [ $# -gt 0 ]; do
    case "$1" in
    --bind) [ "$3" = /run/fbs ] && shared=$2; shift 3 ;;
    --installroot=*) root=${1#*=}; shift ;;
    *) last=$1; shift ;;
    esac
done
if [ -n "$shared" ]; then
    echo 'dracut: *** Including module: dmsquash-live ***'
    printf '\050\265\057\375initramfs' >"$shared/initrd.img"
    exit
fi
hold=$(dirname "$0")/../hold
if [ -e "$hold" ]; then
    echo '  Installing       : glibc-2.36-9.x86_64          60/121'
    while [ -e "$hold" ]; do sleep 0.02; done
fi
kernel=$root/usr/lib/modules/6.1.0-stub
mkdir -p "$root/usr/lib/sysimage/rpm" "$root/etc" "$kernel"
rpm --root "$root" --dbpath /usr/lib/sysimage/rpm --define '_db_backend sqlite' \
    --install --justdb --nodeps --noscripts '{package}' || exit
head -c 65536 /dev/zero >"$kernel/vmlinuz"
head -c 1M /dev/urandom >"$root/random"
i=0
while [ "$i" -lt "${FBS_STUB_MIB:-1}" ]; do
    cat "$root/random" || exit
    i=$((i + 1))
done >"$root/ballast"
rm "$root/random"
"#;
