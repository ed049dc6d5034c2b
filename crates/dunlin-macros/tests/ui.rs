//! One case for each mistake that a user of the macros can make.

use std::path::Path;
use std::{fs, io};

#[test]
fn every_mistake_is_told() {
    let ui = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui");
    // trybuild compiles the cases in a package of its own, and `embed!` reads the folder beside that one's Cargo.toml.
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../tests/trybuild/dunlin-macros");
    copy(&ui, &package.join("ui")).unwrap();
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
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
