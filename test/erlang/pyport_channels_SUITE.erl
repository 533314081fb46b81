%% The link's side of channels, against a fake program that notes what came
%% and says what it is asked to.
-module(pyport_channels_SUITE).

-compile([export_all, nowarn_export_all]).

-import(pyport_lane_case, [place/1, call/2, seen/1, until/2, async/1, alone/1,
                           noise/1, signal/2, os_pid/1]).
-import(pyport_channel_case, [channel/2, byte_channel/2, utter/2, message/2,
                              waiting/2]).

-define(WAIT_MS, 10000).
-define(CALL_MS, 10000).
-define(NONE, <<"18446744073709551615">>).

suite() ->
    [{timetrap, {seconds, 60}}].

all() ->
    [what_is_ok_is_sent_and_what_is_busy_is_not,
     a_limit_is_kept_exactly_by_many_senders,
     an_empty_message_needs_no_room_and_counts_for_the_end,
     one_who_is_told_busy_asks_the_program,
     one_who_waits_is_woken_by_credit,
     one_who_waits_in_vain_leaves_its_turn,
     a_message_that_never_fits_is_refused,
     pressure_stops_all_and_its_end_wakes_them,
     small_and_large_messages_keep_their_order,
     a_large_message_waits_until_its_channel_is_known,
     a_call_on_the_lane_stays_behind_messages_of_the_link,
     a_write_on_the_lane_stays_behind_messages_of_the_link,
     a_close_says_what_was_sent_and_only_once,
     a_close_wakes_those_who_wait_for_room,
     a_place_whose_sender_died_is_given_up,
     python_closes_and_is_told_what_was_sent,
     a_channel_that_cannot_be_made_is_closed,
     a_channel_of_a_dead_owner_is_dropped,
     too_many_channels_are_refused_until_one_is_forgotten,
     a_death_ends_channels_for_everybody,
     a_stopped_program_does_not_hold_its_senders,
     a_channel_during_the_restart_is_made_after_it,
     wrong_kinds_and_strangers_are_invalid,
     options_that_are_wrong_are_named].

init_per_testcase(Case, Config) ->
    pyport_lane_case:start(settings(Case), true, Config).

end_per_testcase(_, _) ->
    pyport_case:stop().

settings(too_many_channels_are_refused_until_one_is_forgotten) ->
    [{channels_max, 3}, {stderr, null}, {stdout, null}];
settings(a_stopped_program_does_not_hold_its_senders) ->
    [{silence, 50}, {ping_timeout, 200}, {stderr, null}, {stdout, null}];
settings(_) ->
    [{stderr, null}, {stdout, null}].

%% room

%% doc: an integer of one byte is three.
what_is_ok_is_sent_and_what_is_busy_is_not(Config) ->
    Channel = channel(Config, #{max_size => 10}),
    [ok, ok, ok, busy, busy] = [py_channel:send(Channel, N)
                                || N <- [1, 2, 3, 4, 5]],
    ok = until(Config, <<"link-csend-1-3 link-csend-1-3 link-csend-1-3">>),
    ok = utter(Config, [{channel, 1, {credit, 2}}]),
    [ok, busy] = [py_channel:send(Channel, N) || N <- [1, 2]],
    4 = sends(Config).

%% doc: 40 processes, 25 places.
a_limit_is_kept_exactly_by_many_senders(Config) ->
    Channel = byte_channel(Config, #{max_size => 100}),
    Senders = [async(fun() -> py_byte_channel:send(Channel, <<"1234">>) end)
               || _ <- lists:seq(1, 40)],
    Results = [pyport_case:await(Sender) || Sender <- Senders],
    25 = length([ok || ok <- Results]),
    15 = length([no || busy <- Results]),
    25 = sends(Config).

an_empty_message_needs_no_room_and_counts_for_the_end(Config) ->
    Channel = byte_channel(Config, #{max_size => 3}),
    [ok, ok, ok, busy, ok] = [py_byte_channel:send(Channel, Data)
                              || Data <- ["", "ab", "c", "d", []]],
    ok = py_byte_channel:close(Channel),
    until(Config, <<"link-csend-1-0 link-csend-1-2 link-csend-1-1 "
                    "link-cwait-1-0 link-csend-1-0 link-cclose-1-5">>).

%% doc: not for each refusal.
one_who_is_told_busy_asks_the_program(Config) ->
    Channel = channel(Config, #{max_size => 3}),
    ok = py_channel:send(Channel, 1),
    busy = py_channel:send(Channel, 1),
    ok = until(Config, <<"link-cwait-1-0">>),
    [busy = py_channel:send(Channel, 1) || _ <- lists:seq(1, 10000)],
    true = length(binary:matches(seen(Config), <<"link-cwait">>)) < 1000.

one_who_waits_is_woken_by_credit(Config) ->
    Channel = channel(Config, #{max_size => 3}),
    ok = py_channel:send(Channel, 1),
    First = waiting(Config, fun() -> py_channel:send(Channel, 2, ?WAIT_MS) end),
    Second = waiting(Config, fun() -> py_channel:send(Channel, 3,
                                                      infinity) end),
    ok = utter(Config, [{channel, 1, {credit, 3}}]),
    ok = pyport_case:await(First),
    busy = py_channel:send(Channel, 4),
    ok = utter(Config, [{channel, 1, {credit, 6}}]),
    ok = pyport_case:await(Second),
    3 = sends(Config).

one_who_waits_in_vain_leaves_its_turn(Config) ->
    Channel = byte_channel(Config, #{max_size => 10}),
    ok = py_byte_channel:send(Channel, <<0:80>>),
    {error, timeout} = py_byte_channel:send(Channel, <<0:80>>, 1),
    {error, timeout} = py_byte_channel:send(Channel, <<0:80>>, 0),
    Small = waiting(Config, fun() -> py_byte_channel:send(Channel, <<0>>,
                                                          infinity) end),
    ok = utter(Config, [{channel, 1, {credit, 1}}]),
    ok = pyport_case:await(Small).

a_message_that_never_fits_is_refused(Config) ->
    Channel = byte_channel(Config, #{max_size => 10}),
    busy = py_byte_channel:send(Channel, <<0:88>>),
    {error, {too_large, 11, 10}} = py_byte_channel:send(Channel, <<0:88>>,
                                                        infinity),
    Unbounded = channel(Config, #{}),
    Max = (64 bsl 20) - 14,
    Bytes = Max + 1,
    {error, {too_large, Bytes, Max}} =
        py_channel:send(Unbounded, binary:copy(<<0>>, Bytes - 6)),
    0 = sends(Config).

pressure_stops_all_and_its_end_wakes_them(Config) ->
    Channels = [channel(Config, #{}), channel(Config, #{max_size => 100})],
    ok = utter(Config, [{pressure, true}]),
    [busy, busy] = [py_channel:send(Each, 1) || Each <- Channels],
    Waiting = [waiting(Config, fun() -> py_channel:send(Each, 2, infinity) end)
               || Each <- Channels],
    {error, timeout} = py_channel:send(hd(Channels), 3, 1),
    0 = sends(Config),
    ok = utter(Config, [{pressure, false}]),
    [ok = pyport_case:await(Each) || Each <- Waiting],
    2 = sends(Config).

%% order

small_and_large_messages_keep_their_order(Config) ->
    Channel = byte_channel(Config, #{}),
    Sizes = [rand:uniform(40000) || _ <- lists:seq(1, 60)],
    [ok = py_byte_channel:send(Channel, noise(Size)) || Size <- Sizes],
    ok = py_byte_channel:close(Channel),
    Total = integer_to_binary(lists:sum(Sizes)),
    ok = until(Config, <<"link-cclose-1-", Total/binary>>),
    Sizes = [size_of(Word) || <<_:4/binary, "-csend-1-", _/binary>> = Word
                                  <- string:lexemes(seen(Config), " ")].

size_of(Word) ->
    binary_to_integer(lists:last(string:split(Word, "-", all))).

a_large_message_waits_until_its_channel_is_known(Config) ->
    Channel = byte_channel(Config, #{}),
    ok = py_byte_channel:send(Channel, noise(20000)),
    ok = py_byte_channel:send(Channel, noise(5)),
    ok = until(Config, <<"ping lane-csend-1-20000 lane-csend-1-5">>),
    %% it is known now, also to others
    ok = alone(fun() -> py_byte_channel:send(Channel, noise(30000)) end),
    until(Config, <<"lane-csend-1-5 lane-csend-1-30000">>).

a_call_on_the_lane_stays_behind_messages_of_the_link(Config) ->
    Channel = channel(Config, #{}),
    Large = noise(200000),
    [begin
         ok = py_channel:send(Channel, 1),
         {ok, Large} = call(Config, Large)
     end || _ <- lists:seq(1, 20)],
    %% the fake reads the lane first
    20 = length(binary:matches(seen(Config),
                               <<"link-csend-1-3 ping lane-run">>)).

a_write_on_the_lane_stays_behind_messages_of_the_link(Config) ->
    Channel = channel(Config, #{}),
    Buffer = pyport_lane_case:buffer(Config, #{window => 1 bsl 20}),
    ok = py_channel:send(Channel, 1),
    ok = py_buffer:write(Buffer, noise(50000)),
    ok = py_channel:send(Channel, 2),
    until(Config, <<"link-csend-1-3 ping lane-write-1-50000 ping "
                    "lane-csend-1-3">>).

%% ends

a_close_says_what_was_sent_and_only_once(Config) ->
    Channel = channel(Config, #{max_size => 100}),
    [ok = py_channel:send(Channel, N) || N <- [1, 2, 3]],
    [ok, ok] = [py_channel:close(Channel) || _ <- [1, 2]],
    ok = until(Config, <<"link-csend-1-3 link-cclose-1-9">>),
    {error, closed} = py_channel:send(Channel, 4),
    {error, closed} = py_channel:send(Channel, 4, infinity),
    #{closed := true, max_size := 100} = py_channel:info(Channel),
    ok = utter(Config, [{channel, 1, {closed, erlang}},
                        {channel, 1, forgotten}]),
    {error, closed} = py_channel:recv(Channel),
    ok = py_channel:close(Channel),
    1 = length(binary:matches(seen(Config), <<"link-cclose">>)).

a_close_wakes_those_who_wait_for_room(Config) ->
    Channel = channel(Config, #{max_size => 3}),
    ok = py_channel:send(Channel, 1),
    Waiting = [waiting(Config, fun() -> py_channel:send(Channel, 2,
                                                        infinity) end)
               || _ <- lists:seq(1, 50)],
    ok = py_channel:close(Channel),
    [{error, closed} = pyport_case:await(Each) || Each <- Waiting],
    until(Config, <<"link-cclose-1-3">>).

%% doc: a place is taken, and nothing is sent.
a_place_whose_sender_died_is_given_up(Config) ->
    Channel = channel(Config, #{}),
    ok = pyport_channel_cells:reserve(Channel, 100, 0),
    ok = py_channel:close(Channel),
    until(Config, <<"link-cclose-1-100 link-cclose-1-", ?NONE/binary>>).

python_closes_and_is_told_what_was_sent(Config) ->
    Channel = channel(Config, #{}),
    ok = py_channel:send(Channel, 1),
    Receiver = waiting(Config, fun() -> py_channel:recv(Channel) end),
    ok = utter(Config, [message(1, first), message(1, last),
                        {channel, 1, {closed, python}}]),
    {ok, first} = pyport_case:await(Receiver),
    {error, closed} = py_channel:send(Channel, 2),
    {ok, last} = py_channel:recv(Channel),
    {error, closed} = py_channel:recv(Channel),
    {error, closed} = py_channel:try_receive(Channel),
    until(Config, <<"link-csend-1-3 link-cclose-1-3">>).

a_channel_that_cannot_be_made_is_closed(Config) ->
    Channel = channel(Config, #{}),
    ok = utter(Config, [{channel, 1, {closed, too_many}}]),
    {error, closed} = py_channel:send(Channel, 1),
    {error, closed} = py_channel:recv(Channel).

a_channel_of_a_dead_owner_is_dropped(Config) ->
    Parent = self(),
    Owner = async(fun() ->
        Channel = channel(Config, #{max_size => 3}),
        Parent ! {channel, Channel},
        receive {Parent, stop} -> ok end
    end),
    Channel = pyport_channel_case:got(channel),
    ok = py_channel:send(Channel, 1),
    Sender = waiting(Config, fun() -> py_channel:send(Channel, 2,
                                                      infinity) end),
    Receiver = waiting(Config, fun() -> py_channel:recv(Channel) end),
    element(1, Owner) ! {Parent, stop},
    ok = pyport_case:await(Owner),
    [{error, closed} = pyport_case:await(Each) || Each <- [Sender, Receiver]],
    ok = until(Config, <<"link-cdrop-1-0">>),
    {error, closed} = py_channel:give_away(Channel, self()).

too_many_channels_are_refused_until_one_is_forgotten(Config) ->
    {Link, _} = place(Config),
    Channels = [channel(Config, #{}) || _ <- [1, 2, 3]],
    {error, {overloaded, 3, 3}} =
        pyport_channel_new:new_at(Link, self(), #{kind => terms}),
    ok = utter(Config, [message(2, unread), {channel, 2, {closed, python}},
                        {channel, 2, forgotten}]),
    {error, {overloaded, 3, 3}} =
        pyport_channel_new:new_at(Link, self(), #{kind => terms}),
    {ok, unread} = py_channel:recv(lists:nth(2, Channels)),
    4 = pyport_channel_cells:number(channel(Config, #{})).

a_death_ends_channels_for_everybody(Config) ->
    Channel = channel(Config, #{max_size => 3}),
    Other = channel(Config, #{}),
    ok = py_channel:send(Channel, 1),
    ok = py_channel:send(Other, 1),
    ok = utter(Config, [message(2, unread)]),
    Waiting = [waiting(Config, fun() -> py_channel:send(Channel, 2,
                                                        infinity) end),
               waiting(Config, fun() -> py_channel:recv(Channel) end)],
    {error, {context_died, _}} = call(Config, die_exit),
    [{error, closed} = pyport_case:await(Each) || Each <- Waiting],
    [{error, closed} = Do()
     || Do <- [fun() -> py_channel:send(Other, 1) end,
               fun() -> py_channel:send(Other, 1, infinity) end,
               fun() -> py_channel:recv(Other) end,
               fun() -> py_channel:try_receive(Other) end]],
    #{closed := true, size := 0} = py_channel:info(Other),
    ok = py_channel:close(Other),
    [] = ets:tab2list(pyport_channel_segments).

%% doc: nobody fills the memory of the node either.
a_stopped_program_does_not_hold_its_senders(Config) ->
    Channel = channel(Config, #{}),
    ok = signal("STOP", os_pid(Config)),
    Term = noise(1000),
    Senders = [async(fun() -> send_on(Channel, Term, 0) end) || _ <- [1, 2, 3]],
    Counts = [pyport_case:await(Sender) || Sender <- Senders],
    true = lists:sum(Counts) * 1000 < 20 bsl 20.

send_on(Channel, Term, Count) ->
    case py_channel:send(Channel, Term) of
        ok -> send_on(Channel, Term, Count + 1);
        {error, closed} -> Count
    end.

a_channel_during_the_restart_is_made_after_it(Config) ->
    {Link, _} = place(Config),
    Dying = pyport_case:async(place(Config), die_exit, ?CALL_MS),
    Makers = [async(fun() ->
                  {ok, Channel} = pyport_channel_new:new_at(
                                    Link, self(), #{kind => terms}),
                  py_channel:send(Channel, a)
              end) || _ <- lists:seq(1, 50)],
    {error, {context_died, _}} = pyport_case:await(Dying),
    [case pyport_case:await(Maker) of
         ok -> ok;
         {error, closed} -> ok
     end || Maker <- Makers],
    ok = py_channel:send(channel(Config, #{}), a).

%% mistakes

wrong_kinds_and_strangers_are_invalid(Config) ->
    Terms = channel(Config, #{}),
    Bytes = byte_channel(Config, #{}),
    Buffer = pyport_lane_case:buffer(Config, #{}),
    Strangers = [Buffer, make_ref(), atomics:new(1, []), atomics:new(20, []),
                 no_reference, 7],
    [{error, invalid_channel} = Do(Each)
     || Each <- [Bytes | Strangers],
        Do <- [fun(C) -> py_channel:send(C, 1) end,
               fun(C) -> py_channel:send(C, 1, 0) end,
               fun py_channel:recv/1, fun py_channel:try_receive/1,
               fun py_channel:close/1, fun py_channel:info/1,
               fun(C) -> py_channel:give_away(C, self()) end]],
    [{error, invalid_channel} = Do(Each)
     || Each <- [Terms | Strangers],
        Do <- [fun(C) -> py_byte_channel:send(C, <<>>) end,
               fun(C) -> py_byte_channel:send(C, <<>>, 0) end,
               fun py_byte_channel:recv/1, fun py_byte_channel:try_receive/1,
               fun py_byte_channel:close/1, fun py_byte_channel:info/1]],
    {error, invalid_buffer} = py_buffer:write(Terms, <<"a">>),
    {error, {invalid_argument, data, _}} = py_byte_channel:send(Bytes, a),
    {error, {invalid_argument, timeout, _}} = py_channel:send(Terms, 1, -1),
    {error, {invalid_argument, timeout, _}} = py_channel:recv(Terms, a).

options_that_are_wrong_are_named(_) ->
    [{error, {invalid_option, max_size, _}} =
         py_channel:new(#{max_size => Value}) || Value <- [-1, a, 1.0]],
    {error, {invalid_option, context, _}} = py_channel:new(#{context => a}),
    {error, {invalid_option, size, [context, max_size]}} =
        py_byte_channel:new(#{size => 1}),
    {error, {invalid_argument, options, _}} = py_channel:new([]),
    ok = py_channel:register_callbacks(),
    ok = py_byte_channel:register_callbacks().

%% Internal.

%% How many CHANNEL_SENDs the program has read, behind all of this process.
sends(Config) ->
    length(binary:matches(seen(Config), <<"-csend-">>)).
