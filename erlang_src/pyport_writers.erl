%% @private
%% @doc Who is in the midst of a write that takes more than one step.
%%
%% A write has its place in the stream before its bytes are sent. If its
%% process is killed between the two, the rest never comes, and the buffer
%% must end torn. So a process raises a flag of its own before it takes a
%% place and lowers it when everything is sent; the link, which watches the
%% process, looks at the flag when it dies. To raise it again costs no
%% message as long as the link watches.
%%
%% The link also asks the program now and then whether it is there while a
%% flag is up. It stops to watch a process that it finds idle; the cells are
%% sequentially consistent, so either it sees the raised flag or the process
%% sees that nobody watches, and says so again.
%%
%% The state of the link is the entry `writers' of its dictionary.
-module(pyport_writers).

%% the writer
-export([enter/2, leave/1]).
%% the link
-export([watch/2, is_any_writing/0, down/1, forget/0]).

-export_type([flag/0]).

-opaque flag() :: atomics:atomics_ref().

%% The number of the buffer that is being written, or 0.
-define(BUFFER, 1).
%% Has the link been told of this flag?
-define(WATCHED, 2).
-define(CELLS, 2).

%% @doc Raises the flag of the calling process. One flag for the link that it
%% used last: the number of a buffer means something there only.
-spec enter(pid(), pos_integer()) -> flag().
enter(Link, Number) ->
    Flag = flag(Link),
    ok = atomics:put(Flag, ?BUFFER, Number),
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

-spec leave(flag()) -> ok.
leave(Flag) -> atomics:put(Flag, ?BUFFER, 0).

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
    case atomics:get(Flag, ?BUFFER) of
        0 ->
            false;
        _ ->
            ok = atomics:put(Flag, ?WATCHED, 1),
            true
    end.

%% @doc A process died: in the midst of a write to this buffer?
-spec down(pid()) -> pos_integer() | none.
down(Pid) ->
    case maps:take(Pid, all()) of
        {Flag, Others} ->
            _ = put(writers, Others),
            case atomics:get(Flag, ?BUFFER) of
                0 -> none;
                Number -> Number
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
