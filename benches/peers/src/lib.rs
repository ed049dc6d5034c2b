//! The other libraries as contestants of the benchmarks, each used as its documentation tells a service to use it, on
//! an open connection.

mod diesel;
mod refinery;
mod sea_orm;
mod sqlx;
mod sqlx_test;

pub use crate::{diesel::Diesel, refinery::Refinery, sea_orm::SeaOrm, sqlx::Sqlx, sqlx_test::SqlxTest};
