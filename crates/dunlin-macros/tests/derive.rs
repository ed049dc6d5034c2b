//! What `#[derive(Row)]` and `#[derive(Change)]` become: structs that are read and written column by column.

use std::marker::PhantomData;

use dunlin::{BoxError, MigrationSet};
use dunlin_backfill::{Change, ChangeColumn, Row, RowColumn};
use tokio_postgres::Client;
use tokio_postgres::types::{FromSql, ToSql, Type};

#[derive(Row, Debug, PartialEq)]
struct Person {
    id: i64,
    #[row(column = "Last name")]
    last_name: Option<String>,
    #[row(skip)]
    score: Option<f64>,
    r#type: String,
    #[row(sql = "(SELECT count(*) FROM orders WHERE orders.person = people.id)")]
    orders: i64,
    tags: Vec<Option<String>>,
}

#[derive(Change)]
struct Named {
    full_name: String,
    #[change(column = "Kind", cast = "text")]
    kind: &'static str,
    r#type: Option<i32>,
    #[change(cast = "numeric(10, 2)[]")]
    #[change(column = "prices")]
    cents: Vec<i64>,
}

/// A type of its own.
#[derive(Clone, Debug, PartialEq)]
struct Numbers<const N: usize>(Vec<i32>);

impl<'a, const N: usize> FromSql<'a> for Numbers<N> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, BoxError> {
        let numbers = Vec::from_sql(ty, raw)?;
        if numbers.len() == N { Ok(Self(numbers)) } else { Err("too few or too many".into()) }
    }

    fn accepts(ty: &Type) -> bool {
        <Vec<i32> as FromSql<'_>>::accepts(ty)
    }
}

/// With parameters, bounds and a default.
#[derive(Row, Debug, PartialEq)]
struct Pair<T: Clone, const N: usize = 2>
where
    T: PartialEq,
{
    first: T,
    second: Option<T>,
    numbers: Numbers<N>,
}

/// What is skipped need not be readable.
#[derive(Row, Debug, PartialEq)]
struct Marked<T, U> {
    value: T,
    #[row(skip)]
    marks: Vec<U>,
    #[row(skip)]
    mark: PhantomData<U>,
}

#[derive(Change)]
struct Wrapped<T> {
    value: T,
    wrapped: Option<T>,
}

#[derive(Row, Debug, PartialEq)]
struct Nothing {}

#[cfg(test)]
fn empty() -> MigrationSet {
    MigrationSet::builder().build().unwrap()
}

#[test]
fn the_columns_of_a_row_are_those_of_its_fields_but_for_what_is_skipped() {
    let column = |name, rust| RowColumn { name, sql: None, rust };
    let orders = "(SELECT count(*) FROM orders WHERE orders.person = people.id)";
    assert_eq!(
        Person::COLUMNS,
        [
            column("id", "i64"),
            column("Last name", "Option<String>"),
            column("type", "String"),
            RowColumn { name: "orders", sql: Some(orders), rust: "i64" },
            column("tags", "Vec<Option<String>>"),
        ]
    );
    assert_eq!(Marked::<i64, Person>::COLUMNS, [column("value", "T")]);
    assert_eq!(Nothing::COLUMNS, []);
}

#[test]
fn the_columns_of_a_change_are_those_of_its_fields() {
    let column = |name, cast, rust| ChangeColumn { name, cast, rust };
    assert_eq!(
        Named::COLUMNS,
        [
            column("full_name", None, "String"),
            column("Kind", Some("text"), "&'static str"),
            column("type", None, "Option<i32>"),
            column("prices", Some("numeric(10, 2)[]"), "Vec<i64>"),
        ]
    );
}

#[test]
fn a_field_accepts_what_its_type_does() {
    assert!(Person::accepts(0, &Type::INT8) && !Person::accepts(0, &Type::INT4));
    assert!(Person::accepts(1, &Type::TEXT) && Person::accepts(2, &Type::VARCHAR));
    assert!(Person::accepts(4, &Type::TEXT_ARRAY) && !Person::accepts(4, &Type::TEXT));
    assert!(!Person::accepts(5, &Type::INT8) && !Nothing::accepts(0, &Type::INT8));
    assert!(Named::accepts(2, &Type::INT4) && !Named::accepts(2, &Type::INT8));
    assert!(Named::accepts(3, &Type::INT8_ARRAY) && !Named::accepts(4, &Type::INT8));
    assert!(<Marked<bool, ()> as Row>::accepts(0, &Type::BOOL));
}

#[test]
fn the_value_for_a_column_is_that_of_its_field() {
    let named = Named { full_name: "Ada".into(), kind: "person", r#type: None, cents: vec![1, 2] };
    let text = |value: &(dyn ToSql + Sync)| format!("{value:?}");
    let values: Vec<_> = (0..Named::COLUMNS.len()).map(|column| text(named.value(column))).collect();
    assert_eq!(values, ["\"Ada\"", "\"person\"", "None", "[1, 2]"]);
    let wrapped = Wrapped { value: "a", wrapped: None };
    assert_eq!(text(wrapped.value(0)) + &text(wrapped.value(1)), "\"a\"None");
}

#[test]
#[should_panic(expected = "bug in dunlin: it asks for the column 4 of a change that has fewer")]
fn there_is_no_value_for_a_column_that_is_not_there() {
    let named = Named { full_name: String::new(), kind: "", r#type: None, cents: Vec::new() };
    let _ = named.value(4);
}

#[test]
fn a_struct_may_come_from_another_macro() {
    macro_rules! row {
        ($name:ident, $field:ident: $ty:ty, $column:literal) => {
            #[derive(Row, Change)]
            struct $name<T> {
                #[row(column = $column)]
                #[change(column = $column)]
                $field: $ty,
                other: Option<T>,
            }
        };
    }
    row!(Made, made: Vec<String>, "made by");
    let column = |name, rust| RowColumn { name, sql: None, rust };
    assert_eq!(<Made<i32> as Row>::COLUMNS, [column("made by", "Vec<String>"), column("other", "Option<T>")]);
    let made = Made { made: vec!["a".into()], other: Some(1) };
    assert_eq!(format!("{:?} {:?}", made.value(0), made.value(1)), "[\"a\"] Some(1)");
}

#[dunlin::test(migrations = empty())]
async fn a_row_is_read_from_the_columns_behind_the_first(client: Client) {
    let columns = "'key', 7::bigint, NULL::text, 'a'::text, 3::bigint, ARRAY['x', NULL]";
    let row = client.query_one(&format!("SELECT {columns}"), &[]).await.unwrap();
    let expected = Person {
        id: 7,
        last_name: None,
        score: None,
        r#type: "a".into(),
        orders: 3,
        tags: vec![Some("x".into()), None],
    };
    assert_eq!(Person::read(&row, 1).unwrap(), expected);
    assert_eq!(Nothing::read(&row, 6).unwrap(), Nothing {});
    let marked: Marked<i64, Person> = Row::read(&row, 4).unwrap();
    assert_eq!(marked, Marked { value: 3, marks: Vec::new(), mark: PhantomData });
}

#[dunlin::test(migrations = empty())]
async fn a_struct_with_parameters_is_read(client: Client) {
    let row = client.query_one("SELECT 1::bigint, NULL::bigint, ARRAY[4, 5]", &[]).await.unwrap();
    let expected = Pair { first: 1i64, second: None, numbers: Numbers(vec![4, 5]) };
    assert_eq!(Pair::<i64>::read(&row, 0).unwrap(), expected);
    assert!(Pair::<i64, 3>::read(&row, 0).is_err());
}

#[dunlin::test(migrations = empty())]
async fn a_value_that_does_not_fit_its_field_is_an_error(client: Client) {
    let row = client.query_one("SELECT NULL::bigint, 'a'::text", &[]).await.unwrap();
    assert!(Marked::<i64, ()>::read(&row, 0).is_err(), "NULL is no number");
    assert!(Marked::<i64, ()>::read(&row, 1).is_err(), "nor is a text");
    assert!(Marked::<i64, ()>::read(&row, 2).is_err(), "nor what is not there");
    assert_eq!(Marked::<Option<i64>, ()>::read(&row, 0).unwrap().value, None);
}

/// Hidden behind names of the standard library, what is derived finds the right ones.
mod shadowed {
    #![allow(dead_code, non_camel_case_types, non_upper_case_globals)]

    struct Result;
    struct Option;
    struct Default;
    struct usize;
    struct bool;
    struct str;
    const row: () = ();
    const first: () = ();

    #[derive(dunlin_backfill::Row, dunlin_backfill::Change)]
    struct Plain {
        name: String,
    }

    #[test]
    fn what_is_derived_does_not_mind_other_names() {
        assert_eq!(<Plain as dunlin_backfill::Row>::COLUMNS.len(), 1);
    }
}
