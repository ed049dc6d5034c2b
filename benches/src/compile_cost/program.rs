//! The programs that are built.

/// A minimal service that migrates on boot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    /// The package.
    pub(crate) name: &'static str,
    pub(crate) dependencies: &'static str,
    pub(crate) main: &'static str,
    pub(crate) folder: Folder,
}

/// Which migrations it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Folder {
    None,
    /// `migrations/V1__init.sql`, a name that everybody but dunlin and diesel takes.
    Refinery,
    /// `migrations/0001_init.sql`
    One,
    /// `migrations/0001_init/up.sql`
    Diesel,
    /// 1,000 files.
    Thousand,
}

const TOKIO: &str = "tokio = { version = \"1\", features = [\"macros\", \"rt-multi-thread\"] }\n";

impl Program {
    /// What everything is compared with: the driver alone.
    pub(crate) const BARE: Self = Self {
        name: "bare",
        dependencies: "tokio-postgres = \"0.7\"",
        main: r#"
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("build 0");
    let url = std::env::var("DATABASE_URL")?;
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    client.batch_execute(include_str!("../migrations/0001_init.sql")).await?;
    Ok(())
}
"#,
        folder: Folder::One,
    };

    pub(crate) const DUNLIN: Self = Self {
        name: "on-dunlin",
        dependencies: "dunlin = { path = \"{crates}/dunlin\" }\ntokio-postgres = \"0.7\"",
        main: r#"
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("build 0");
    let config = std::env::var("DATABASE_URL")?.parse()?;
    let migrator = dunlin::Migrator::new(dunlin::embed!("migrations"));
    dunlin::migrate(&config, tokio_postgres::NoTls, &migrator).await?;
    Ok(())
}
"#,
        folder: Folder::One,
    };

    pub(crate) const THOUSAND: Self = Self { name: "thousand", folder: Folder::Thousand, ..Self::DUNLIN };

    pub(crate) const NONE: Self = Self {
        name: "none",
        main: r#"
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("build 0");
    let config = std::env::var("DATABASE_URL")?.parse()?;
    let migrator = dunlin::Migrator::new(dunlin::MigrationSet::builder().build()?);
    dunlin::migrate(&config, tokio_postgres::NoTls, &migrator).await?;
    Ok(())
}
"#,
        folder: Folder::None,
        ..Self::DUNLIN
    };

    pub(crate) const PEERS: [Self; 4] = [
        Self {
            name: "on-diesel",
            dependencies: "diesel = { version = \"2.3\", features = [\"postgres\"] }\n\
                           diesel_migrations = { version = \"2.3\", features = [\"postgres\"] }\n\
                           pq-sys = { version = \"0.7\", features = [\"bundled\"] }",
            main: r#"
use diesel::Connection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let url = std::env::var("DATABASE_URL")?;
    tokio::task::spawn_blocking(move || {
        diesel::PgConnection::establish(&url)?.run_pending_migrations(MIGRATIONS).map(drop)
    })
    .await?
}
"#,
            folder: Folder::Diesel,
        },
        Self {
            name: "on-refinery",
            dependencies: "refinery = { version = \"0.10\", features = [\"tokio-postgres\"] }\ntokio-postgres = \"0.7\"",
            main: r#"
refinery::embed_migrations!("migrations");

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("DATABASE_URL")?;
    let (mut client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    migrations::runner().run_async(&mut client).await?;
    Ok(())
}
"#,
            folder: Folder::Refinery,
        },
        Self {
            name: "on-sqlx",
            dependencies: "sqlx = { version = \"0.9\", default-features = false, features = [\"macros\", \"migrate\", \"postgres\", \"runtime-tokio\"] }",
            main: r#"
use sqlx::Connection;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut connection = sqlx::PgConnection::connect(&std::env::var("DATABASE_URL")?).await?;
    sqlx::migrate!("./migrations").run(&mut connection).await?;
    Ok(())
}
"#,
            folder: Folder::One,
        },
        Self {
            name: "on-sea-orm",
            dependencies: "sea-orm-migration = { version = \"2.0\", default-features = false, features = [\"runtime-tokio\", \"sqlx-postgres\"] }",
            main: r#"
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::Database;

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Init)]
    }
}

struct Init;

impl MigrationName for Init {
    fn name(&self) -> &str {
        "m0001_init"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Init {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(include_str!("../migrations/0001_init.sql")).await.map(drop)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let db = Database::connect(std::env::var("DATABASE_URL")?).await?;
    Migrator::up(&db, None).await?;
    Ok(())
}
"#,
            folder: Folder::One,
        },
    ];

    /// The text of `Cargo.toml`; `crates` is the folder that dunlin is in.
    pub(crate) fn manifest(&self, crates: &str) -> String {
        let dependencies = self.dependencies.replace("{crates}", crates);
        format!(
            "[package]\nname = \"{}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\n{TOKIO}{dependencies}\n",
            self.name
        )
    }
}
