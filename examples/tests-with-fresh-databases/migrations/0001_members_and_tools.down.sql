DROP TABLE tools, members;
