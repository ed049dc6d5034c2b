DROP TABLE relationships, nodes, clusters;
