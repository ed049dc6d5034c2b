use deadpool_postgres::PoolError;

/// Why the desk does not do what it is asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeskError {
    /// Somebody else has joined with the address.
    #[error("another member has this address")]
    EmailTaken,
    /// Nobody has the number.
    #[error("there is no such member")]
    NoSuchMember,
    /// No tool has the number.
    #[error("there is no such tool")]
    NoSuchTool,
    /// The shed has no such shelf.
    #[error("there is no such category")]
    NoSuchCategory,
    /// It is below zero or above 500.
    #[error("a deposit is between 0 and 50000 cents")]
    DepositOutOfRange,
    /// Somebody has it.
    #[error("the tool is lent already")]
    AlreadyLent,
    /// Nobody has it.
    #[error("the tool is not lent")]
    NotLent,
    /// The member has as many tools as one may have.
    #[error("nobody may have more than 3 tools at once")]
    TooManyLoans,
    /// The books keep every loan, and so whose it was.
    #[error("a member who has borrowed something stays in the books")]
    HasBorrowed,
    /// Something else, which is nobody's fault at the desk.
    #[error("the database does not do what it should")]
    Database(#[source] tokio_postgres::Error),
    /// There is no connection to be had.
    #[error("could not get a connection to the database")]
    NoConnection(#[from] PoolError),
}

/// The rules are constraints, and their names say which of them was broken.
impl From<tokio_postgres::Error> for DeskError {
    fn from(error: tokio_postgres::Error) -> Self {
        let broken = error.as_db_error().and_then(|error| error.constraint());
        match broken {
            Some("members_email") => Self::EmailTaken,
            Some("tools_category") => Self::NoSuchCategory,
            Some("tools_deposit") => Self::DepositOutOfRange,
            Some("loans_of_a_tool_one_by_one") => Self::AlreadyLent,
            Some("loans_tool" | "waiting_tool") => Self::NoSuchTool,
            Some("loans_member") => Self::HasBorrowed,
            Some("waiting_member") => Self::NoSuchMember,
            _ => Self::Database(error),
        }
    }
}
