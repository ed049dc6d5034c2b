//! One case for each mistake that a user of the macros can make.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::{env, fs, io};

#[test]
fn every_mistake_is_told() {
    // trybuild compiles the cases in a package of its own, and the macros read what is beside that one's Cargo.toml.
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../tests/trybuild/dunlin-macros");
    for folder in ["ui", "attribute"] {
        let folder_here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
        copy(&folder_here, &package.join(folder)).unwrap();
    }
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.compile_fail("tests/attribute/*.rs");
    for folder in ["row", "change", "backfill"] {
        cases.compile_fail(format!("tests/{folder}/*.rs"));
    }
}

/// What stands in a `#[test]` is compiled for a test alone, and trybuild compiles programs: this test runs itself once more
/// with a compiler that is told to compile tests.
#[test]
fn mistakes_of_types_are_told_where_the_types_are() {
    const COMPILER: &str = "RUSTC_WORKSPACE_WRAPPER";
    if env::var_os(COMPILER).is_some_and(|compiler| Path::new(&compiler).ends_with("rustc-test")) {
        return trybuild::TestCases::new().compile_fail("tests/attribute/types/*.rs");
    }
    let compiler = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rustc-test");
    // Cargo also asks for facts, and emits nothing then.
    let script = "#!/bin/sh\ncase \"$*\" in *--emit*) exec \"$@\" --test ;; *) exec \"$@\" ;; esac\n";
    fs::write(&compiler, script).unwrap();
    fs::set_permissions(&compiler, fs::Permissions::from_mode(0o755)).unwrap();
    let again = Command::new(env::current_exe().unwrap())
        .args(["--exact", "mistakes_of_types_are_told_where_the_types_are", "--nocapture"])
        .env(COMPILER, &compiler)
        .status();
    assert!(again.unwrap().success());
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)?;
        } else if entry.path().extension().is_none_or(|extension| extension != "stderr") {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
