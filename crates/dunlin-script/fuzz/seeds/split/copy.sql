COPY t (a) FROM stdin;
it's; \N
\\.
\.
SELECT 1 \gexec
\set x ;
COPY (SELECT 1) TO STDOUT; COPY u FROM STDIN; \.
