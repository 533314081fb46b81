%% What the suites of the lanes and of buffers share.
-module(pyport_lane_case).

-export([start/3]).
-export([place/1, call/2, buffer/2, new_bytes/1, seen/1, runs/1, words/1]).
-export([until/2, is_suffix/2, granted/3, waiting_writer/2, write_on/2]).
-export([async/1, alone/1, noise/1]).
-export([signal/2, os_pid/1, parked_writer/3]).

-define(CALL_MS, 10000).
-define(QUESTIONS_MAX, 100000).
-define(WINDOW, 65536).

%% A host whose program has connected its bulk lane, if it is to have one.
start(Settings, HasLane, Config) ->
    ok = pyport_case:start(Settings),
    Host = pyport_case:host(),
    {Link, _} = Place = pyport_case:context(Host),
    ok = pyport_case:await_lane(Link, HasLane, ?QUESTIONS_MAX),
    [{host, Host}, {place, Place} | Config].

place(Config) -> proplists:get_value(place, Config).

call(Config, Term) -> pyport_case:call(place(Config), Term, ?CALL_MS).

buffer(Config, Options) ->
    {Link, _} = place(Config),
    Defaults = #{window => ?WINDOW},
    {ok, Buffer} = pyport_buffer_new:new_at(Link, self(),
                                        maps:merge(Defaults, Options)),
    Buffer.

%% How many bytes the fake counts for a BUFFER_NEW.
new_bytes(Buffer) ->
    integer_to_binary(29 + byte_size(term_to_binary(Buffer))).

seen(Config) ->
    {ok, Seen} = call(Config, seen),
    iolist_to_binary(
      lists:join(" ", [Word || Word <- string:lexemes(Seen, " "),
                               Word =/= <<"open">>])).

%% Only what ran on the bulk lane.
runs(Config) ->
    {ok, Seen} = call(Config, seen),
    words([Word || <<"lane-run">> = Word <- string:lexemes(Seen, " ")]).

words(Words) -> iolist_to_binary(lists:join(" ", Words)).

until(Config, What) ->
    Place = place(Config),
    alone(fun() -> pyport_case:until_seen(Place, What, ?QUESTIONS_MAX) end).

is_suffix(Suffix, Text) ->
    Bytes = byte_size(Suffix),
    Suffix =:= binary:part(Text, byte_size(Text), -Bytes).

granted(Config, Number, UpTo) ->
    Text = io_lib:format("credit ~b ~b", [Number, UpTo]),
    {ok, _} = call(Config, iolist_to_binary(Text)),
    ok.

%% One that has filled the window and waits.
waiting_writer(Config, Buffer) ->
    Number = integer_to_binary(pyport_cells:number(Buffer)),
    Data = noise(2 * ?WINDOW),
    Writer = async(fun() -> py_buffer:write(Buffer, Data) end),
    ok = until(Config, <<"link-wait-", Number/binary, "-0">>),
    Writer.

write_on(Buffer, Data) ->
    case py_buffer:write(Buffer, Data) of
        ok -> write_on(Buffer, Data);
        Error -> Error
    end.

%% Sends the signal of this name.
signal(Name, OsPid) ->
    [] = os:cmd("kill -" ++ Name ++ " " ++ integer_to_list(OsPid)),
    ok.

os_pid(Config) ->
    #{os_pid := OsPid} = pyport_host:info(proplists:get_value(host, Config)),
    OsPid.

%% One that has begun a write and cannot end it: the program is stopped, and
%% the socket of the bulk lane cannot hold so much.
parked_writer(Buffer, Data, OsPid) ->
    %% From here on the buffer is on that lane.
    ok = py_buffer:write(Buffer, noise(?WINDOW)),
    ok = signal("STOP", OsPid),
    Writer = async(fun() -> py_buffer:write(Buffer, Data) end),
    ok = until_begun(Buffer, ?WINDOW),
    Writer.

until_begun(Buffer, Sent) ->
    case pyport_cells:sent(Buffer) of
        Sent -> until_begun(Buffer, Sent);
        _ -> ok
    end.

async(Run) -> spawn_monitor(fun() -> exit({got, Run()}) end).

alone(Run) -> pyport_case:await(async(Run)).

%% Random, and without a word that asks the fake program for something.
noise(Bytes) ->
    Random = << <<(Byte bor 128)>> || <<Byte>> <= rand:bytes(1021) >>,
    binary:part(binary:copy(Random, Bytes div 1021 + 1), 0, Bytes).
