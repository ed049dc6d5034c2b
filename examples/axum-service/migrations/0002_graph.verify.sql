-- With a conversation goes all that was spoken of in it.
INSERT INTO conversations (title) VALUES ('verify');

WITH heard AS (
    INSERT INTO nodes (conversation_id, kind, label)
    SELECT id, 'thing', label FROM conversations, unnest(ARRAY['one', 'two']) AS label WHERE title = 'verify'
    RETURNING id
)
INSERT INTO relationships (source_id, target_id, kind) SELECT min(id::text)::uuid, max(id::text)::uuid, 'verify' FROM heard;

DELETE FROM conversations WHERE title = 'verify';

SELECT count(*) = 0 AS gone FROM relationships WHERE kind = 'verify';
