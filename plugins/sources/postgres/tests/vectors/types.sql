-- The tables behind the recorded vectors: every type the connector maps, with and without defaults, and every
-- replica identity.
create extension if not exists hstore;
create extension if not exists citext;
create extension if not exists ltree;
create type mood as enum ('sad', 'ok', 'happy');
create type pair as (a int, b text);
create domain price as numeric(8,3);
create domain label as varchar(20);
create domain label2 as label;
create domain short_ts as timestamp(3);

create table t_num (id int primary key, si smallint, i int, bi bigint, r real, d double precision, n5_2 numeric(5,2),
  n numeric, n20 numeric(20,0), n30_10 numeric(30,10), m money, ss smallserial, s serial, bs bigserial, b boolean, o oid);
create table t_text (id int primary key, c5 char(5), v10 varchar(10), v varchar, t text, ci citext, nm name, j json, jb jsonb,
  x xml, u uuid, e mood, ba bytea, ip inet, ci4 cidr, mac macaddr, mac8 macaddr8, r4 int4range, r8 int8range, rn numrange,
  rts tsrange, rtz tstzrange, rd daterange, tsv tsvector, lt ltree, bt bit, bt1 bit(1), bt5 bit(5), bt24 bit(24), vb varbit, vb7 varbit(7),
  hs hstore, ch "char", p pair, mr int4multirange, tsq tsquery, js jsonpath, ls pg_lsn);
create table t_time (id int primary key, d date, t time, t0 time(0), t3 time(3), t6 time(6), tz timetz, tz3 timetz(3), ts timestamp,
  ts0 timestamp(0), ts3 timestamp(3), ts6 timestamp(6), tt timestamptz, tt3 timestamptz(3), iv interval, iv0 interval(0));
create table t_geo (id int primary key, pt point, bx box, ls lseg, pa path, pg polygon, cc circle, ln line);
create table t_arr (id int primary key, a2 int2[], a4 int4[], a8 int8[], af real[], ad double precision[], an numeric(5,2)[], av numeric[],
  at text[], avc varchar(3)[], ac char(3)[], ab boolean[], adt date[], ats timestamp[], atz timestamptz[], atm time[], attz timetz[],
  au uuid[], aj json[], ajb jsonb[], aip inet[], acd cidr[], amac macaddr[], ae mood[], aba bytea[], aiv interval[], abt bit(3)[], avb varbit[],
  am money[], ao oid[], aci citext[], ahs hstore[], ar4 int4range[], ar8 int8range[], arn numrange[], ard daterange[], arts tsrange[], artz tstzrange[],
  ap point[], ax xml[], alt ltree[], ats3 timestamp(3)[], am8 macaddr8[]);
create table t_dom (id int primary key, pr price, la label, l2 label2, st short_ts, prn price not null default 1.5);
create table t_def (id int primary key default 7, si smallint not null default 3, i int default 42, bi bigint not null default 9000000000,
  r real default 1.5, d double precision not null default 2.25, n5_2 numeric(5,2) not null default 12.3, n numeric default 1.2345, m money default 3.5, b boolean not null default true,
  t text not null default 'it''s', v varchar(10) default 'vv', c5 char(5) not null default 'abc', j jsonb not null default '{"a": 1}', u uuid default '7f0e8400-e29b-41d4-a716-446655440000', ug uuid default gen_random_uuid(),
  e mood not null default 'ok', ba bytea not null default '\x0102', d1 date not null default '2020-01-02', t1 time default '01:02:03', ts timestamp not null default '2020-01-02 03:04:05',
  ts3 timestamp(3) not null default '2020-01-02 03:04:05.678', tn timestamp not null default now(), tt timestamptz not null default now(), tk timestamptz not null default '2020-01-02 03:04:05+01', iv interval not null default '1 day 2 hours', ip inet not null default '1.2.3.4',
  a int[] not null default '{1,2}', at text[] default '{}', bt5 bit(5) not null default b'10101', hs hstore not null default 'a=>1', pt point not null default '(1,2)', nn int not null, ex int default (1+2), tu text default upper('x'));
create table t_full (id int primary key, a text, b int); alter table t_full replica identity full;
create table t_nopk (a int, b text); alter table t_nopk replica identity full;
create table t_nopk_default (a int, b text);
create table t_multi (b int, a text, c numeric(4,1), note text, primary key (c, a));
create table t_idx (id int primary key, code text not null, v int); create unique index t_idx_code on t_idx (code); alter table t_idx replica identity using index t_idx_code;
create table t_idx_nopk (code text not null, v int); create unique index t_idx_nopk_code on t_idx_nopk (code); alter table t_idx_nopk replica identity using index t_idx_nopk_code;
create table t_uniq (code text not null unique, v int);
create table t_none (id int primary key, v int); alter table t_none replica identity nothing;
create table t_toast (id int primary key, small int, big text, nbig text not null default 'x', bjson jsonb, bbin bytea, barr text[], biarr int[], bnum numeric, bhs hstore);
alter table t_toast alter big set storage external, alter nbig set storage external, alter bbin set storage external, alter bjson set storage external, alter barr set storage external, alter biarr set storage external, alter bnum set storage external, alter bhs set storage external;
create table "T Weird-1" ("Id x" int primary key, "sel ect" text, "é" int);
create table t_gen (id int generated always as identity primary key, a int, b int generated always as (a * 2) stored);
create table t_part (id int, d date not null, v text, primary key (id, d)) partition by range (d);
create table t_part_a partition of t_part for values from ('2020-01-01') to ('2021-01-01');
create table t_empty (id int primary key);
