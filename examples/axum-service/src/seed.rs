use tokio_postgres::Client;

use dunlin::BoxError;

/// How many utterances a conversation has.
const PER_CONVERSATION: u64 = 20;

/// Writes so many utterances as release 1 would have, on a schema of release 1.
///
/// # Errors
///
/// Those of the database.
pub async fn seed(client: &mut Client, utterances: u64) -> Result<(), BoxError> {
    let transaction = client.transaction().await?;
    // A server that is thrown away, and an index that is built at once instead of row by row.
    transaction
        .batch_execute("SET LOCAL maintenance_work_mem = '256MB'; DROP INDEX utterances_search")
        .await?;
    let conversations = i64::try_from(utterances.div_ceil(PER_CONVERSATION))?;
    let insert = "INSERT INTO conversations (id, title, metadata, last_position, created_at, updated_at)
        SELECT uuid_generate_v5(uuid_ns_oid(), n::text), 'Conversation ' || n, jsonb_build_object('number', n), 20,
            now() - n * interval '1 minute', now() - n * interval '1 minute'
        FROM generate_series(1, $1::bigint) AS n";
    transaction.execute(insert, &[&conversations]).await?;
    // Twelve words out of some hundred syllables' pairs each.
    let insert = "INSERT INTO utterances (conversation_id, position, speaker, content, spoken_at)
        SELECT uuid_generate_v5(uuid_ns_oid(), (1 + n / 20)::text), 1 + n % 20, (ARRAY['Ada', 'Grace', 'Emmy'])[1 + n % 3],
            'The dunlins ' || (SELECT string_agg(first[1 + (h >> (w * 3)) & 15] || second[1 + (h >> (w * 2 + 1)) & 15], ' ')
                FROM generate_series(0, 9) AS w) || ' said ' || n,
            now() - n * interval '1 second'
        FROM (
            SELECT n, hashint8(n) & 2147483647 AS h,
                '{ka,lo,mi,ne,pu,ra,si,to,ve,wa,xi,ye,zu,ba,de,fo}'::text[] AS first,
                '{bird,wing,tide,sand,flock,shore,reed,gull,marsh,nest,wave,dune,song,cloud,feather,storm}'::text[] AS second
            FROM generate_series(0, $1::bigint - 1) AS n
        ) AS numbers";
    transaction.execute(insert, &[&i64::try_from(utterances)?]).await?;
    transaction.batch_execute("CREATE INDEX utterances_search ON utterances USING gin (search)").await?;
    transaction.commit().await?;
    client.batch_execute("ANALYZE").await?;
    Ok(())
}
