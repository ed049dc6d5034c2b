DROP TABLE utterances, conversations;
DROP EXTENSION "uuid-ossp";
