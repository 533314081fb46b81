%% @private
%% @doc Who is in the midst of a write to a buffer that takes more than one
%% step, or of sending to a channel in a way that can take long.
%%
%% A write has its place in the stream before its bytes are sent. If its
%% process is killed between the two, the rest never comes, and the buffer
%% must end torn. A message has its place before it is sent; if that is never
%% done, its channel must get the place back. So a process raises a flag of its
%% own before it takes a place and lowers it when everything is sent; the link,
%% which watches the process, looks at the flag when it dies. To raise it again
%% costs no message as long as the link watches.
%%
%% The link also asks the program now and then whether it is there while a
%% flag is up. It stops to watch a process that it finds idle; the cells are
%% sequentially consistent, so either it sees the raised flag or the process
%% sees that nobody watches, and says so again.
%%
%% The state of the link is the entry `writers' of its dictionary.
-module(pyport_writers).

%% the writer
-export([enter/4, leave/1]).
%% the link
-export([watch/2, is_any_writing/0, is_any_at/2, down/1, forget/0]).

-export_type([flag/0, left/0]).

-opaque flag() :: atomics:atomics_ref().
-type kind() :: buffer | channel.
%% In the midst of what a process died.
-type left() :: none | {kind(), Number :: pos_integer(),
                        Bytes :: non_neg_integer()}.

%% What is being written to, see what/2, or 0.
-define(WHAT, 1).
-define(BYTES, 2).
%% Has the link been told of this flag?
-define(WATCHED, 3).
-define(CELLS, 3).

%% @doc Raises the flag of the calling process. One flag for the link that it
%% used last: numbers mean something there only.
-spec enter(pid(), kind(), pos_integer(), non_neg_integer()) -> flag().
enter(Link, Kind, Number, Bytes) ->
    Flag = flag(Link),
    ok = atomics:put(Flag, ?BYTES, Bytes),
    ok = atomics:put(Flag, ?WHAT, what(Kind, Number)),
    case atomics:get(Flag, ?WATCHED) of
        0 ->
            ok = atomics:put(Flag, ?WATCHED, 1),
            Link ! {writer, self(), Flag},
            ok;
        1 ->
            ok
    end,
    Flag.

-spec flag(pid()) -> flag().
flag(Link) ->
    case get(?MODULE) of
        {Link, Flag} ->
            Flag;
        _ ->
            Flag = atomics:new(?CELLS, [{signed, false}]),
            _ = put(?MODULE, {Link, Flag}),
            Flag
    end.

-spec what(kind(), pos_integer()) -> pos_integer().
what(buffer, Number) -> Number * 2;
what(channel, Number) -> Number * 2 + 1.

-spec leave(flag()) -> ok.
leave(Flag) -> atomics:put(Flag, ?WHAT, 0).

%% @doc A process says that it writes. It may be dead already.
-spec watch(pid(), flag()) -> ok.
watch(Pid, Flag) ->
    ok = pyport_callers:meet(Pid),
    _ = put(writers, (all())#{Pid => Flag}),
    ok.

-spec all() -> #{pid() => flag()}.
all() ->
    case get(writers) of
        undefined -> #{};
        Writers -> Writers
    end.

%% @doc Is anybody in the midst of a write? Those who are not are watched no
%% more.
-spec is_any_writing() -> boolean().
is_any_writing() ->
    Writing = maps:filter(fun(_, Flag) -> is_writing(Flag) end, all()),
    _ = put(writers, Writing),
    map_size(Writing) > 0.

-spec is_writing(flag()) -> boolean().
is_writing(Flag) ->
    ok = atomics:put(Flag, ?WATCHED, 0),
    case atomics:get(Flag, ?WHAT) of
        0 ->
            false;
        _ ->
            ok = atomics:put(Flag, ?WATCHED, 1),
            true
    end.

%% @doc Is anybody in the midst of it here?
-spec is_any_at(kind(), pos_integer()) -> boolean().
is_any_at(Kind, Number) ->
    What = what(Kind, Number),
    lists:any(fun(Flag) -> atomics:get(Flag, ?WHAT) =:= What end,
              maps:values(all())).

%% @doc A process died: in the midst of what?
-spec down(pid()) -> left().
down(Pid) ->
    case maps:take(Pid, all()) of
        {Flag, Others} ->
            _ = put(writers, Others),
            case atomics:get(Flag, ?WHAT) of
                0 -> none;
                What when What rem 2 =:= 0 -> {buffer, What div 2, 0};
                What -> {channel, What div 2, atomics:get(Flag, ?BYTES)}
            end;
        error ->
            none
    end.

%% @doc There is no program, so there are no buffers to write to.
-spec forget() -> ok.
forget() ->
    maps:foreach(fun(_, Flag) -> atomics:put(Flag, ?WATCHED, 0) end, all()),
    _ = erase(writers),
    ok.
