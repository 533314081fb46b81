%% The life of buffers on the real program: flow, ends, owners, other nodes.
-module(py_buffer_life_SUITE).

-compile([export_all, nowarn_export_all]).

-import(py_buffer_case, [ctx/1, call/3, async/1, await/1]).

-define(WAIT_MS, 20000).
-define(QUESTIONS_MAX, 100000).
-define(MB, (1 bsl 20)).

suite() ->
    [{timetrap, {seconds, 60}}].

all() ->
    [a_reader_goes_on_while_the_writer_writes,
     a_reader_that_sleeps_does_not_fill_the_memory,
     a_writer_that_dies_mid_body_cuts_the_reader_off,
     a_writer_killed_in_the_socket_cuts_the_reader_off,
     writers_that_end_one_by_one_leave_the_whole_body,
     a_writer_that_closes_and_dies_leaves_the_whole_body,
     a_reader_that_closes_tells_the_writer,
     a_close_frees_a_writer_that_waits,
     the_death_of_the_process_frees_a_writer_that_waits,
     a_buffer_outlives_the_process_that_gave_it_away,
     dying_owners_leave_nothing,
     an_owner_of_many_buffers_on_the_lane_dies_alone,
     ten_thousand_buffers_at_once_keep_apart,
     a_buffer_of_another_node_works_like_a_local_one].

init_per_testcase(Case, Config) ->
    py_buffer_case:start(settings(Case), Config).

end_per_testcase(_, Config) ->
    py_case:stop(Config).

%% So little that a writer has to wait for the reader.
settings(Case) when Case =:= a_close_frees_a_writer_that_waits;
                    Case =:= the_death_of_the_process_frees_a_writer_that_waits
    ->
    [{resource_bytes_max, 4 * ?MB}];
settings(an_owner_of_many_buffers_on_the_lane_dies_alone) ->
    [{frame_bytes_max, 20000}, {bulk_threshold, 1024}];
settings(_) ->
    [].

%% flow

a_reader_goes_on_while_the_writer_writes(Config) ->
    {ok, Buffer} = py_buffer:new(),
    Reader = async(fun() -> call(Config, digest, [Buffer]) end),
    Chunks = [rand:bytes(N) || N <- [10, 5000, 65536, 1000000, 3000000]],
    All = lists:append(lists:duplicate(5, Chunks)),
    [ok = py_buffer:write(Buffer, Chunk) || Chunk <- All],
    ok = py_buffer:close(Buffer),
    Expected = {iolist_size(All), crypto_hash(All)},
    {ok, Expected} = await(Reader).

%% doc: 128 MB for a reader that looks only at the end.
a_reader_that_sleeps_does_not_fill_the_memory(Config) ->
    {ok, Buffer} = py_buffer:new(),
    {Listen, Port} = py_case:listen(),
    Reader = async(fun() ->
        call(Config, digest_when_told, [Port, Buffer])
    end),
    Socket = py_case:announced(Listen),
    {ok, #{rss_bytes := Rss0}} = py:host_info(ctx(Config)),
    Binary0 = erlang:memory(binary),
    Chunk = rand:bytes(?MB),
    [ok = py_buffer:write(Buffer, Chunk) || _ <- lists:seq(1, 128)],
    ok = py_buffer:close(Buffer),
    {ok, #{rss_bytes := Rss}} = py:host_info(ctx(Config)),
    true = Rss - Rss0 < 40 * ?MB,
    true = erlang:memory(binary) - Binary0 < 40 * ?MB,
    ok = gen_tcp:close(Socket),
    {ok, {Count, _}} = await(Reader),
    Count = 128 * ?MB.

%% ends

a_writer_that_dies_mid_body_cuts_the_reader_off(Config) ->
    [begin
         {Buffer, Owner} = owned(Options),
         ok = py_buffer:write(Buffer, rand:bytes(Bytes)),
         {Listen, Port} = py_case:listen(),
         Reader = async(fun() ->
             call(Config, digest_when_told, [Port, Buffer])
         end),
         Socket = py_case:announced(Listen),
         ok = py_case:kill(Owner),
         ok = gen_tcp:close(Socket),
         {error, {'BrokenPipeError', _}} = await(Reader),
         {error, closed} = py_buffer:write(Buffer, <<"more">>)
     end || Bytes <- [10, 100000], Options <- [undefined, 200000]].

%% doc: it does not own the buffer, and waits for nothing but the socket.
a_writer_killed_in_the_socket_cuts_the_reader_off(Config) ->
    {ok, #{os_pid := OsPid}} = py:host_info(ctx(Config)),
    {ok, Buffer} = py_buffer:new(#{window => 1 bsl 24}),
    {Listen, Port} = py_case:listen(),
    Reader = async(fun() ->
        call(Config, digest_when_told, [Port, Buffer])
    end),
    Socket = py_case:announced(Listen),
    {Pid, _} = pyport_lane_case:parked_writer(Buffer, rand:bytes(16 * ?MB),
                                              OsPid),
    ok = py_case:kill(Pid),
    ok = pyport_lane_case:signal("CONT", OsPid),
    ok = gen_tcp:close(Socket),
    {error, {'BrokenPipeError', _}} = await(Reader),
    {error, closed} = py_buffer:write(Buffer, <<"more">>).

%% doc: the end of each comes while others are in the midst of theirs.
writers_that_end_one_by_one_leave_the_whole_body(Config) ->
    {ok, Buffer} = py_buffer:new(),
    Reader = async(fun() -> call(Config, digest, [Buffer]) end),
    Writers = [async(fun() -> py_buffer:write(Buffer, rand:bytes(Bytes)) end)
               || Bytes <- lists:seq(100000, 3900000, 200000)],
    [ok = await(Writer) || Writer <- Writers],
    ok = py_buffer:close(Buffer),
    {ok, {40000000, _}} = await(Reader).

a_writer_that_closes_and_dies_leaves_the_whole_body(Config) ->
    Parent = self(),
    [begin
         Data = rand:bytes(Bytes),
         {Writer, Monitor} = spawn_monitor(fun() ->
             {ok, Buffer} = py_buffer:new(),
             Parent ! {buffer, Buffer},
             receive {Parent, go} -> ok end,
             ok = py_buffer:write(Buffer, Data),
             ok = py_buffer:close(Buffer)
         end),
         Buffer = receive {buffer, Each} -> Each end,
         {Listen, Port} = py_case:listen(),
         Reader = async(fun() ->
             call(Config, digest_when_told, [Port, Buffer])
         end),
         Socket = py_case:announced(Listen),
         Writer ! {Parent, go},
         receive {'DOWN', Monitor, process, Writer, normal} -> ok end,
         ok = gen_tcp:close(Socket),
         Expected = {Bytes, crypto_hash(Data)},
         {ok, Expected} = await(Reader)
     end || Bytes <- [10, 100000, ?MB], _ <- lists:seq(1, 5)].

a_reader_that_closes_tells_the_writer(Config) ->
    {ok, Buffer} = py_buffer:new(),
    {ok, none} = call(Config, close, [Buffer]),
    {error, closed} = until_refused(Buffer, ?QUESTIONS_MAX).

a_close_frees_a_writer_that_waits(_) ->
    {ok, Buffer} = py_buffer:new(),
    Writer = async(fun() -> write_on(Buffer, rand:bytes(?MB)) end),
    ok = until_waiting(Buffer, Writer),
    ok = py_buffer:close(Buffer),
    {error, closed} = await(Writer).

the_death_of_the_process_frees_a_writer_that_waits(Config) ->
    {ok, #{os_pid := OsPid}} = py:host_info(ctx(Config)),
    {ok, Buffer} = py_buffer:new(),
    Writer = async(fun() -> write_on(Buffer, rand:bytes(?MB)) end),
    ok = until_waiting(Buffer, Writer),
    _ = os:cmd("kill -KILL " ++ integer_to_list(OsPid)),
    {error, {context_died, #{reason := {signal, 9}}}} = await(Writer),
    {error, {context_died, noproc}} = py_buffer:write(Buffer, <<"more">>).

a_buffer_outlives_the_process_that_gave_it_away(Config) ->
    Self = self(),
    {ok, Mine} = py_buffer:new(),
    ok = py_buffer:give_away(Mine, self()),
    {Buffer, Owner} = owned(undefined),
    {error, not_owner} = py_buffer:give_away(Buffer, self()),
    Owner ! {give_to, Self},
    receive {given, Result} -> ok = Result end,
    #{owner := Self} = py_buffer:info(Buffer),
    ok = py_case:kill(Owner),
    ok = py_buffer:write(Buffer, <<"whole">>),
    ok = py_buffer:close(Buffer),
    {ok, <<"whole">>} = call(Config, everything, [Buffer]).

%% doc: whatever they left undone.
dying_owners_leave_nothing(Config) ->
    Owners = [async(fun() ->
                  {ok, Buffer} = py_buffer:new(),
                  ok = py_buffer:write(Buffer, rand:bytes(N * 100)),
                  _ = [py_buffer:close(Buffer) || N rem 2 =:= 0],
                  ok
              end) || N <- lists:seq(1, 1000)],
    [ok = await(Owner) || Owner <- Owners],
    until_empty(Config, ?QUESTIONS_MAX).

%% doc: what the program is told of them does not fit one packet.
an_owner_of_many_buffers_on_the_lane_dies_alone(Config) ->
    {ok, #{os_pid := OsPid}} = py:host_info(ctx(Config)),
    Data = rand:bytes(17000),
    ok = await(async(fun() ->
        _ = [begin
                 {ok, Buffer} = py_buffer:new(),
                 ok = py_buffer:write(Buffer, Data)
             end || _ <- lists:seq(1, 2000)],
        ok
    end)),
    ok = until_empty(Config, ?QUESTIONS_MAX),
    {ok, #{os_pid := OsPid}} = py:host_info(ctx(Config)).

%% other nodes

%% Each of 100 processes has 100 buffers open at the same time.
ten_thousand_buffers_at_once_keep_apart(Config) ->
    Owners = [async(fun() -> hundred_buffers(Config, N * 100) end)
              || N <- lists:seq(1, 100)],
    [ok = await(Owner) || Owner <- Owners].

hundred_buffers(Config, Base) ->
    Named = [begin
                 {ok, Buffer} = py_buffer:new(),
                 {Buffer, integer_to_binary(Base + N)}
             end || N <- lists:seq(1, 100)],
    [ok = py_buffer:write(Buffer, Name) || {Buffer, Name} <- Named],
    [ok = py_buffer:close(Buffer) || {Buffer, _} <- Named],
    {Buffers, Names} = lists:unzip(Named),
    {ok, Names} = call(Config, everything_of_all, [Buffers]),
    ok.

a_buffer_of_another_node_works_like_a_local_one(_) ->
    {Peer, Node, Ctx} = py_context_SUITE:peer(),
    Self = self(),
    {ok, Buffer} = py_buffer:new(#{context => Ctx}),
    Node = node(Buffer),
    Data = rand:bytes(100000),
    ok = py_buffer:write(Buffer, <<"small">>),
    ok = py_buffer:write(Buffer, Data),
    {error, {invalid_argument, data, _}} = py_buffer:write(Buffer, foo),
    #{written := 100005, owner := Self} = py_buffer:info(Buffer),
    ok = py_buffer:give_away(Buffer, self()),
    ok = py_buffer:close(Buffer),
    {error, closed} = py_buffer:write(Buffer, <<"more">>),
    Whole = <<"small", Data/binary>>,
    {ok, Whole} = py_context:call(Ctx, reads, everything, [Buffer]),
    Large = rand:bytes(?MB),
    {ok, Large} = py_context:call(Ctx, reads, same, [Large]),
    {ok, Orphan} = py_buffer:new(#{context => Ctx}),
    ok = peer:stop(Peer),
    {error, {context_died, noconnection}} = py_buffer:write(Orphan, <<"a">>).

%% Internal.

%% A buffer and the process that owns it.
owned(Options) ->
    Parent = self(),
    Owner = spawn(fun() ->
        {ok, Buffer} = py_buffer:new(Options),
        Parent ! {self(), Buffer},
        receive {give_to, Pid} ->
            Parent ! {given, py_buffer:give_away(Buffer, Pid)}
        end,
        receive never -> ok end
    end),
    receive {Owner, Buffer} -> {Buffer, Owner} after ?WAIT_MS -> error(no) end.

write_on(Buffer, Data) ->
    case py_buffer:write(Buffer, Data) of
        ok -> write_on(Buffer, Data);
        Error -> Error
    end.

%% The refusal is on its way to us when the call has returned.
until_refused(Buffer, Times) when Times > 0 ->
    case py_buffer:write(Buffer, <<"a">>) of
        ok -> until_refused(Buffer, Times - 1);
        Error -> Error
    end.

%% The writer has no credit and its link knows that it waits.
until_waiting(Buffer, {Pid, _}) ->
    {Link, _} = pyport_lanes:find(pyport_cells:key(Buffer)),
    until_waiter(Link, Pid, ?QUESTIONS_MAX).

until_waiter(Link, Pid, Times) when Times > 0 ->
    {dictionary, Known} = process_info(Link, dictionary),
    case lists:keymember({waiter, Pid}, 1, Known) of
        true -> ok;
        false -> until_waiter(Link, Pid, Times - 1)
    end.

until_empty(Config, Times) when Times > 0 ->
    case py:host_info(ctx(Config)) of
        {ok, #{buffers := 0, buffer_memory_bytes := 0,
               buffer_file_bytes := 0}} -> ok;
        {ok, _} -> until_empty(Config, Times - 1)
    end.

crypto_hash(Data) -> crypto:hash(sha256, Data).
