ALTER TABLE utterances ALTER words SET DEFAULT -1;

CREATE FUNCTION forget_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.words := -1;
    RETURN NEW;
END
$$;

CREATE TRIGGER forget_words BEFORE UPDATE OF content ON utterances
    FOR EACH ROW WHEN (NEW.words IS NOT DISTINCT FROM OLD.words AND NEW.content <> OLD.content)
    EXECUTE FUNCTION forget_words();
