insert into t_num values (1, 1, 2, 3, 1.1, 2.2, 3.33, 4.4444, 12345678901234567890, -1234567890.0123456789, 1234.56, default, default, default, true, 4294967295);
insert into t_num values (2, -32768, -2147483648, -9223372036854775808, 'NaN', '-Infinity', -999.99, -0.000001, -1, 0, -92233720368547758.08, 5, 6, 7, false, 0);
insert into t_num values (3, null, null, null, null, null, null, null, null, null, null, 1, 1, 1, null, null);
insert into t_num values (4, 32767, 2147483647, 9223372036854775807, 3.4028235e38, 1e-300, 128, 1e20, 128, 255, 0, 1, 1, 1, null, 1);
insert into t_text values (1, 'ab', 'varchar', 'vv', 'naïve "q" \ text', 'CiText', 'aname', '{"b": 1,  "a": [1,2]}', '{"b": 1,  "a": [1,2]}', '<a>b</a>', '7F0E8400-e29b-41d4-a716-446655440000', 'happy', '\x00ff10',
  '10.0.0.1/24', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', '[1,5)', '(1,10]', '[1.5,2.5]', '[2020-01-01 00:00,2020-01-02 01:02:03.456)', '[2020-01-01 00:00+02,)', '[2020-01-01,2020-02-01)',
  'a fat cat'::tsvector, 'Top.Child.One', b'1', b'0', b'10110', b'111100001010101000001111', b'1011', b'101', 'a=>1, "b c"=>NULL, d=>"x\"y"', 'z', row(1,'x'), '{[1,3),[5,7)}', 'fat & rat', '$.a', '16/B374D848');
insert into t_text (id) values (2);
insert into t_text (id, c5, t, bt5, vb, ip, r4, hs, ba, vb7) values (3, '', '', b'00001', b'', '::1', 'empty', '', '', b'1111111');
insert into t_time values (1, '2024-02-29', '13:14:15.123456', '13:14:15', '13:14:15.678', '13:14:15.678901', '13:14:15.123456+02', '13:14:15.5-05:30', '2024-02-29 13:14:15.123456',
  '2024-02-29 13:14:15', '2024-02-29 13:14:15.678', '2024-02-29 13:14:15.678901', '2024-02-29 13:14:15.123456+02', '2024-02-29 13:14:15.678+02', '1 year 2 mons 3 days 4:05:06.789', '-1 day -2:03:04');
insert into t_time (id) values (2);
insert into t_time values (3, '1969-12-31', '00:00:00', '23:59:59', '00:00:00.001', '23:59:59.999999', '00:00:00+00', '23:59:59.999+14', '1969-12-31 23:59:59.999999', '1900-01-01 00:00:00', '1969-12-31 23:59:59.999', '0001-01-01 00:00:00', '1969-12-31 23:59:59.99+00', '2024-12-31 23:59:59.100+00', '-3 mons', '1 mon -1 day');
insert into t_time (id, ts, tt, d, ts3, ts6) values (4, 'infinity', 'infinity', '9999-12-31', 'infinity', 'infinity');
insert into t_time (id, ts, tt, ts3) values (5, '-infinity', '-infinity', '-infinity');
insert into t_time (id, ts, tt, d, iv) values (6, '0044-03-15 01:02:03 BC', '0044-03-15 01:02:03+00 BC', '0044-03-15 BC', '00:00:00');
insert into t_time (id, ts, tt, d, t, tz) values (7, '12345-03-15 01:02:03', '12345-03-15 01:02:03+00', '12345-03-15', '24:00:00', '24:00:00+00');
insert into t_geo values (1, '(1.5,-2)', '((3,4),(1,2))', '[(1,2),(3,4)]', '[(1,2),(3,4),(5,6)]', '((1,2),(3,4),(5,0))', '<(1,2),3.5>', '{1,2,3}');
insert into t_geo (id) values (2);
insert into t_geo (id, pa) values (3, '((1,2),(3,4))');
insert into t_arr (id, a2, a4, a8, af, ad, an, av, at, avc, ac, ab, adt, ats, atz, atm, attz, au, aj, ajb, aip, acd, amac, ae, aci, ar4, ar8, arn, ard, arts, artz, ao)
 values (1, '{1,NULL,-3}', '{1,2}', '{9223372036854775807}', '{1.5,NaN}', '{2.25,Infinity}', '{1.23,NULL}', '{1.2,3}', '{a,"b c",NULL,"NULL","x\"y\\z",""}', '{abc}', '{a}', '{t,f,NULL}', '{2020-01-02}', '{"2020-01-02 03:04:05.123456"}', '{"2020-01-02 03:04:05+02"}', '{03:04:05}', '{03:04:05+02}',
 '{7f0e8400-e29b-41d4-a716-446655440000}', '{"{\"a\": 1}"}', '{"{\"a\": 1}"}', '{10.0.0.1}', '{10.0.0.0/8}', '{08:00:2b:01:02:03}', '{sad,happy}', '{Ci}', '{"[1,5)"}', '{"[1,5)"}', '{"[1,5)"}', '{"[2020-01-01,2020-02-01)"}', '{"[2020-01-01 00:00,2020-01-02 00:00)"}', '{"[2020-01-01 00:00+02,)"}', '{1}');
insert into t_arr (id) values (2);
insert into t_arr (id, a4, at, an) values (3, '{}', '{}', '{}');
insert into t_dom values (1, 12.345, 'lab', 'l2', '2020-01-02 03:04:05.678', default);
insert into t_def (nn, ug, tn, tt) values (1, '7f0e8400-e29b-41d4-a716-446655440001', '2021-01-02 03:04:05', '2021-01-02 03:04:05+00');
insert into t_def (id, nn, i, n, r, ug, tn, tt) values (8, 2, null, null, null, null, '2021-01-02 03:04:05', '2021-01-02 03:04:05+00');
insert into t_full values (1, 'x', 1), (2, 'y', 2);
insert into t_nopk values (1, 'x');
insert into t_nopk_default values (1, 'x');
insert into t_multi values (1, 'k', 2.5, 'n');
insert into t_idx values (1, 'c1', 10);
insert into t_idx_nopk values ('c1', 10);
insert into t_uniq values ('c1', 10);
insert into t_none values (1, 10);
insert into t_toast select 1, 1, repeat('a', 3000), repeat('b', 3000), to_jsonb(repeat('c', 3000)), convert_to(repeat('d', 3000), 'UTF8'), array[repeat('e', 3000)], (select array_agg(g) from generate_series(1,1500) g), repeat('7', 6000)::numeric, hstore('k', repeat('f', 3000));
insert into "T Weird-1" values (1, 'x', 2);
insert into t_gen (a) values (5);
insert into t_part values (1, '2020-05-05', 'v');
