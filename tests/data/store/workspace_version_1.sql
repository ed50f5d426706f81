BEGIN TRANSACTION;
CREATE TABLE images (
	hash VARCHAR(64) NOT NULL, 
	path VARCHAR NOT NULL, 
	height INTEGER NOT NULL, 
	width INTEGER NOT NULL, 
	PRIMARY KEY (hash)
);
INSERT INTO "images" VALUES('h0','images/h0.jpg',4,6);
CREATE TABLE imports (
	id INTEGER NOT NULL, 
	raw_dir VARCHAR NOT NULL, 
	created_at DATETIME NOT NULL, 
	rows JSON NOT NULL, 
	problems JSON NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE label_revisions (
	id INTEGER NOT NULL, 
	sample_id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	parent INTEGER, 
	rle JSON NOT NULL, 
	area_px INTEGER NOT NULL, 
	author VARCHAR NOT NULL, 
	tool VARCHAR NOT NULL, 
	comment VARCHAR NOT NULL, 
	created_at DATETIME NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (sample_id, number), 
	FOREIGN KEY(sample_id) REFERENCES samples (id)
);
INSERT INTO "label_revisions" VALUES(1,1,1,NULL,'{"size": [4, 6], "counts": "014000004"}',4,'import','import','','2026-11-24 22:03:21.804734');
INSERT INTO "label_revisions" VALUES(2,1,2,1,'{"size": [4, 6], "counts": "14100004"}',20,'ann','drawn','','2026-11-24 22:03:21.814976');
CREATE TABLE label_set_items (
	label_set VARCHAR(120) NOT NULL, 
	sample_id INTEGER NOT NULL, 
	revision INTEGER NOT NULL, 
	PRIMARY KEY (label_set, sample_id), 
	FOREIGN KEY(label_set) REFERENCES label_sets (name), 
	FOREIGN KEY(sample_id) REFERENCES samples (id)
);
INSERT INTO "label_set_items" VALUES('first',1,2);
CREATE TABLE label_sets (
	name VARCHAR(120) NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	samples INTEGER NOT NULL, 
	created_at DATETIME NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "label_sets" VALUES('first','d2befae1db2d4c20710e1f23f51084df36739e60fe17a2cdf44b1d2cf82f34d2',1,'2026-11-24 22:03:21.835770');
CREATE TABLE reviews (
	id INTEGER NOT NULL, 
	sample_id INTEGER NOT NULL, 
	state VARCHAR(20) NOT NULL, 
	reviewer VARCHAR NOT NULL, 
	comment VARCHAR NOT NULL, 
	revision INTEGER NOT NULL, 
	created_at DATETIME NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(sample_id) REFERENCES samples (id)
);
INSERT INTO "reviews" VALUES(1,1,'fixed','ann','',2,'2026-11-24 22:03:21.815038');
INSERT INTO "reviews" VALUES(2,1,'accepted','bob','good',2,'2026-11-24 22:03:21.829793');
CREATE TABLE runs (
	id VARCHAR(60) NOT NULL, 
	name VARCHAR NOT NULL, 
	status VARCHAR(20) NOT NULL, 
	checkpoint VARCHAR NOT NULL, 
	label_set VARCHAR(120) NOT NULL, 
	config JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	started_at DATETIME, 
	finished_at DATETIME, 
	pid INTEGER, 
	pid_started DOUBLE, 
	best_epoch INTEGER, 
	best_val_miou DOUBLE, 
	seconds DOUBLE, 
	reason VARCHAR NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(label_set) REFERENCES label_sets (name)
);
INSERT INTO "runs" VALUES('r','n','queued','compact','first','{}','2026-11-24 22:03:21.848616',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'');
CREATE TABLE samples (
	id INTEGER NOT NULL, 
	image_hash VARCHAR(64) NOT NULL, 
	class_name VARCHAR(60) NOT NULL, 
	file_name VARCHAR NOT NULL, 
	source_split VARCHAR(10) NOT NULL, 
	split VARCHAR(10) NOT NULL, 
	group_name VARCHAR(80) NOT NULL, 
	box_only BOOLEAN NOT NULL, 
	revision INTEGER NOT NULL, 
	review_state VARCHAR(20) NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (image_hash, class_name), 
	FOREIGN KEY(image_hash) REFERENCES images (hash)
);
INSERT INTO "samples" VALUES(1,'h0','cracks','0.jpg','train','train','',0,2,'accepted');
CREATE TABLE scores (
	run_id VARCHAR(60) NOT NULL, 
	sample_id INTEGER NOT NULL, 
	split VARCHAR(10) NOT NULL, 
	revision INTEGER NOT NULL, 
	threshold DOUBLE NOT NULL, 
	tp INTEGER NOT NULL, 
	fp INTEGER NOT NULL, 
	fn INTEGER NOT NULL, 
	tn INTEGER NOT NULL, 
	iou DOUBLE NOT NULL, 
	dice DOUBLE NOT NULL, 
	precision DOUBLE NOT NULL, 
	recall DOUBLE NOT NULL, 
	PRIMARY KEY (run_id, sample_id), 
	FOREIGN KEY(run_id) REFERENCES runs (id), 
	FOREIGN KEY(sample_id) REFERENCES samples (id)
);
INSERT INTO "scores" VALUES('r',1,'test',2,0.5,1,2,3,4,0.1,0.2,0.3,0.4);
CREATE TABLE workspace (
	id INTEGER NOT NULL, 
	schema_version INTEGER NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "workspace" VALUES(1,1);
CREATE INDEX ix_label_sets_digest ON label_sets (digest);
CREATE INDEX ix_samples_class_name ON samples (class_name);
CREATE INDEX ix_samples_split ON samples (split);
CREATE INDEX ix_runs_created_at ON runs (created_at);
CREATE INDEX reviews_by_sample ON reviews (sample_id, id);
COMMIT;
