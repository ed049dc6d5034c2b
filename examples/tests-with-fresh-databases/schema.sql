--
-- PostgreSQL database dump
--


-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: announce_return(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.announce_return() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM pg_notify('returned', NEW.tool_id::text);
    RETURN NEW;
END
$$;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: categories; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.categories (
    name text NOT NULL,
    loan_days integer NOT NULL,
    CONSTRAINT categories_loan_days_check CHECK ((loan_days > 0))
);


--
-- Name: loans; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.loans (
    id bigint NOT NULL,
    tool_id bigint NOT NULL,
    member_id bigint NOT NULL,
    lent_at timestamp with time zone DEFAULT now() NOT NULL,
    returned_at timestamp with time zone,
    CONSTRAINT loans_end_after_they_begin CHECK ((returned_at >= lent_at))
);


--
-- Name: loans_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.loans ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.loans_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: members; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.members (
    id bigint NOT NULL,
    name text NOT NULL,
    email text NOT NULL,
    phone text,
    joined_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT members_have_a_name CHECK ((name <> ''::text)),
    CONSTRAINT members_phone CHECK ((phone ~ '^\+[1-9][0-9]{6,14}$'::text))
);


--
-- Name: members_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.members ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.members_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: tools; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.tools (
    id bigint NOT NULL,
    name text NOT NULL,
    category text NOT NULL,
    deposit_cents integer NOT NULL,
    CONSTRAINT tools_deposit CHECK (((deposit_cents >= 0) AND (deposit_cents <= 50000)))
);


--
-- Name: tools_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.tools ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.tools_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: waiting; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.waiting (
    tool_id bigint NOT NULL,
    member_id bigint NOT NULL,
    since timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: categories categories_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.categories
    ADD CONSTRAINT categories_pkey PRIMARY KEY (name);


--
-- Name: loans loans_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.loans
    ADD CONSTRAINT loans_pkey PRIMARY KEY (id);


--
-- Name: members members_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.members
    ADD CONSTRAINT members_pkey PRIMARY KEY (id);


--
-- Name: tools tools_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.tools
    ADD CONSTRAINT tools_pkey PRIMARY KEY (id);


--
-- Name: waiting waiting_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.waiting
    ADD CONSTRAINT waiting_pkey PRIMARY KEY (tool_id, member_id);


--
-- Name: loans_of_a_member; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX loans_of_a_member ON public.loans USING btree (member_id);


--
-- Name: loans_of_a_tool_one_by_one; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX loans_of_a_tool_one_by_one ON public.loans USING btree (tool_id) WHERE (returned_at IS NULL);


--
-- Name: members_email; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX members_email ON public.members USING btree (lower(email));


--
-- Name: loans announce_return; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER announce_return AFTER UPDATE OF returned_at ON public.loans FOR EACH ROW WHEN (((old.returned_at IS NULL) AND (new.returned_at IS NOT NULL))) EXECUTE FUNCTION public.announce_return();


--
-- Name: loans loans_member; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.loans
    ADD CONSTRAINT loans_member FOREIGN KEY (member_id) REFERENCES public.members(id);


--
-- Name: loans loans_tool; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.loans
    ADD CONSTRAINT loans_tool FOREIGN KEY (tool_id) REFERENCES public.tools(id);


--
-- Name: tools tools_category; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.tools
    ADD CONSTRAINT tools_category FOREIGN KEY (category) REFERENCES public.categories(name);


--
-- Name: waiting waiting_member; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.waiting
    ADD CONSTRAINT waiting_member FOREIGN KEY (member_id) REFERENCES public.members(id) ON DELETE CASCADE;


--
-- Name: waiting waiting_tool; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.waiting
    ADD CONSTRAINT waiting_tool FOREIGN KEY (tool_id) REFERENCES public.tools(id) ON DELETE CASCADE;


--
-- PostgreSQL database dump complete
--


