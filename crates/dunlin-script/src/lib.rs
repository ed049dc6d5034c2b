//! What a migration file of [dunlin](https://docs.rs/dunlin) says: the grammar of its name, its header directives, its
//! statements and its checksums.
//!
//! This crate reads text and nothing else: no file, no database, no driver, no async. `embed!` uses it while a program is
//! compiled and the runner while it runs, so that both say the same.
//!
//! - [`FileName`] is `0007_split_names.up.sql` taken apart.
//! - [`Script`] is one SQL file with every check that needs no other file; [`split`] cuts a text into [`Statement`]s,
//!   [`Directives`] are its `-- dunlin:` lines and [`Checksums`] tell an edit from a reformat.
//! - [`assemble`] puts the files of a folder together and reports everything that is wrong with them at once.
//!
//! String literals are read as PostgreSQL does with `standard_conforming_strings = on`, the default since 9.1.

mod file_name;
mod position;

mod normalize;
mod problem;

mod lexer;

mod checksum;
mod classify;
mod concurrent;
mod directives;
mod name;
mod split;
mod statement;
mod words;

mod script;

mod diagnostic;
mod folder;

pub use checksum::{Checksums, Digest, DigestError};
pub use concurrent::{Concurrent, CreateIndex, ReindexTarget};
pub use diagnostic::Diagnostic;
pub use directives::{Directives, TransactionMode};
pub use file_name::{FileName, FileNameError, Role};
pub use folder::{FolderBody, FolderMigration, FolderScript, SourceFile, assemble};
pub use name::QualifiedName;
pub use normalize::normalize;
pub use position::Position;
pub use problem::Problem;
pub use script::Script;
pub use split::split;
pub use statement::{Statement, StatementKind};
