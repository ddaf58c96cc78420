-- What the lab records. Steps are optimiser updates; times are UTC; sizes are bytes.
-- Names and values of runs, metrics, events, snapshots and checkpoints are public: scripts rely on them.
-- No primary keys: run numbers come from a counter, and a key on metrics makes each commit 2-4 times slower.

CREATE TABLE IF NOT EXISTS runs (
    run_id           INTEGER NOT NULL,
    name             VARCHAR NOT NULL,
    created          TIMESTAMP NOT NULL,
    task             VARCHAR,              -- kind of task, model and optimizer
    model            VARCHAR,
    optimizer        VARCHAR,
    seed             BIGINT,
    config           JSON NOT NULL,        -- the whole RunConfig
    state            VARCHAR NOT NULL,     -- queued starting running paused stopping finished stopped failed lost
    state_reason     VARCHAR NOT NULL,     -- in words; empty where the state says it all
    device           VARCHAR,              -- where the last attempt trains
    last_step        BIGINT NOT NULL,      -- the latest step that the journal tells of
    parent_run       INTEGER,              -- the run and step that this one was forked from
    parent_step      BIGINT,
    sweep_id         VARCHAR,              -- runs of one launch share it
    tags             VARCHAR[] NOT NULL,
    notes            VARCHAR NOT NULL,
    code_version     VARCHAR NOT NULL,
    budget           BIGINT,               -- steps that the run may take
    finished_at      TIMESTAMP,            -- when the last attempt ended
    train_seconds    DOUBLE NOT NULL,      -- training alone, all attempts
    steps_per_second DOUBLE,               -- of training alone, as last told
    attempt          INTEGER NOT NULL,     -- 0 before the first start
    rss_bytes        BIGINT,               -- memory of the worker and on the device, as last told
    device_bytes     BIGINT,
    threads          INTEGER,              -- that compute, idle cores that are lent among them, as last told
    chance           DOUBLE,               -- accuracy of a uniform guess
    majority         DOUBLE,               -- of always giving the most frequent answer; NULL before the first start
    thresholds       JSON                  -- of the onset detector; empty follows the defaults
);

-- For a database of an earlier edition.
ALTER TABLE runs ADD COLUMN IF NOT EXISTS threads INTEGER;
ALTER TABLE runs ADD COLUMN IF NOT EXISTS majority DOUBLE;

-- Every evaluation. Append order is step order.
CREATE TABLE IF NOT EXISTS metrics (
    run_id INTEGER NOT NULL,
    step   BIGINT NOT NULL,
    split  VARCHAR NOT NULL,               -- train test test_id test_ood atomic_id atomic_ood; '' where there is none
    metric VARCHAR NOT NULL,               -- loss (nats) accuracy (0-1) weight_norm gradient_norm learning_rate ...
    value  DOUBLE NOT NULL
);

-- The last row of metrics for each (run, split, metric), so that a list of runs scans no curve.
CREATE TABLE IF NOT EXISTS latest (
    run_id INTEGER NOT NULL,
    split  VARCHAR NOT NULL,
    metric VARCHAR NOT NULL,
    step   BIGINT NOT NULL,
    value  DOUBLE NOT NULL
);

CREATE TABLE IF NOT EXISTS events (
    run_id   INTEGER NOT NULL,
    step     BIGINT NOT NULL,
    kind     VARCHAR NOT NULL,             -- memorised onset grokked collapsed diverged paused resumed forked note ...
    detector VARCHAR NOT NULL,             -- name/version of what found it; '' for what was told
    value    DOUBLE,                       -- grokked: delay in steps since memorised; memorised, onset, collapsed: accuracy
    payload  JSON NOT NULL,
    "at"     TIMESTAMP NOT NULL            -- quoted: AT is a word of SQL
);

-- One row for each head: little-endian float32, row by row.
CREATE TABLE IF NOT EXISTS snapshots (
    run_id INTEGER NOT NULL,
    step   BIGINT NOT NULL,
    kind   VARCHAR NOT NULL,               -- attention ...
    layer  INTEGER NOT NULL,
    head   INTEGER NOT NULL,
    shape  INTEGER[] NOT NULL,
    data   BLOB NOT NULL
);

-- Checkpoints that are on disk.
CREATE TABLE IF NOT EXISTS checkpoints (
    run_id INTEGER NOT NULL,
    step   BIGINT NOT NULL,
    file   VARCHAR NOT NULL,               -- relative to the run's folder
    bytes  BIGINT NOT NULL,
    sha256 VARCHAR NOT NULL,
    kept   BOOLEAN NOT NULL                -- false: the next such one replaces it
);

-- How far each journal has been read; changes in the transaction that stores what was read.
CREATE TABLE IF NOT EXISTS journals (
    run_id        INTEGER NOT NULL,
    attempt       INTEGER NOT NULL,
    from_step     BIGINT NOT NULL,
    byte_offset   BIGINT NOT NULL,
    lines         BIGINT NOT NULL,         -- whole lines read
    malformed     BIGINT NOT NULL,         -- of these, lines that say nothing a journal may say
    train_seconds DOUBLE NOT NULL          -- training alone, this attempt
);

-- Numbers of deleted runs are not given out again.
CREATE TABLE IF NOT EXISTS counters (name VARCHAR NOT NULL, value BIGINT NOT NULL);
INSERT INTO counters SELECT 'run_id', 0 WHERE NOT EXISTS (FROM counters WHERE name = 'run_id');
