-- Who leaves the club, or a tool that breaks, leaves the list as well.
CREATE TABLE waiting (
    tool_id bigint NOT NULL CONSTRAINT waiting_tool REFERENCES tools ON DELETE CASCADE,
    member_id bigint NOT NULL CONSTRAINT waiting_member REFERENCES members ON DELETE CASCADE,
    since timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tool_id, member_id)
);

CREATE FUNCTION announce_return() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('returned', NEW.tool_id::text);
    RETURN NEW;
END
$$;

CREATE TRIGGER announce_return AFTER UPDATE OF returned_at ON loans
    FOR EACH ROW WHEN (OLD.returned_at IS NULL AND NEW.returned_at IS NOT NULL)
    EXECUTE FUNCTION announce_return();
