%% @private
%% @doc Writes the lines of one stream to a sink that may be slow, or stuck,
%% so that nobody else waits for it.
%%
%% A bounded number of lines waits for the sink; what comes beyond it is
%% dropped, counted, and reported when the sink is back. Sinks that take
%% messages of this node are never slow and need no process.
-module(pyport_writer).
-behaviour(gen_server).

-export([start_link/1, write/3, stop/1]).
-export([init/1, handle_call/3, handle_cast/2]).

-export_type([writer/0]).

-define(LINES_MAX, 4000).
-define(DRAIN_MS, 300).
%% The cells of the backlog.
-define(WAITING, 1).
-define(DROPPED, 2).

-record(writer, {
    sink :: pyport_sink:sink(),
    pid = none :: none | pid(),
    backlog :: atomics:atomics_ref()
}).
-opaque writer() :: #writer{}.

-spec start_link(pyport_sink:sink()) -> {ok, writer()}.
start_link(Sink) ->
    Writer = #writer{sink = Sink, backlog = atomics:new(2, [])},
    case is_prompt(Sink) of
        true ->
            {ok, Writer};
        false ->
            {ok, Pid} = gen_server:start_link(?MODULE, Writer, []),
            {ok, Writer#writer{pid = Pid}}
    end.

-spec is_prompt(pyport_sink:sink()) -> boolean().
is_prompt(null) -> true;
is_prompt({pid, Pid}) -> node(Pid) =:= node();
is_prompt(_) -> false.

%% @doc Never waits. REQUIRES: one process writes.
-spec write(pyport_sink:tag(), [binary()], writer()) -> ok.
write(Tag, Lines, #writer{pid = none, sink = Sink}) ->
    pyport_sink:write(Sink, Tag, Lines);
write(Tag, Lines, #writer{pid = Pid, backlog = Backlog}) ->
    Room = ?LINES_MAX - atomics:get(Backlog, ?WAITING),
    Taken = lists:sublist(Lines, Room),
    Count = length(Taken),
    ok = atomics:add(Backlog, ?WAITING, Count),
    ok = atomics:add(Backlog, ?DROPPED, length(Lines) - Count),
    _ = [gen_server:cast(Pid, {write, Tag, Taken}) || Count > 0],
    ok.

%% @doc Ends the writer; lines that wait have a moment to be written.
-spec stop(writer()) -> ok.
stop(#writer{pid = none}) ->
    ok;
stop(#writer{pid = Pid}) ->
    true = unlink(Pid),
    try
        gen_server:stop(Pid, normal, ?DRAIN_MS)
    catch
        exit:_ ->
            true = exit(Pid, kill),
            ok
    end.

-spec init(writer()) -> {ok, writer()}.
init(Writer) ->
    {ok, Writer}.

-spec handle_call(term(), gen_server:from(), writer()) -> {noreply, writer()}.
handle_call(_, _, Writer) ->
    {noreply, Writer}.

-spec handle_cast({write, pyport_sink:tag(), [binary()]}, writer()) ->
          {noreply, writer()}.
handle_cast({write, Tag, Lines}, #writer{sink = Sink} = Writer) ->
    ok = pyport_sink:write(Sink, Tag, Lines),
    #writer{backlog = Backlog} = Writer,
    ok = atomics:sub(Backlog, ?WAITING, length(Lines)),
    ok = report(atomics:exchange(Backlog, ?DROPPED, 0), Sink, Tag),
    {noreply, Writer}.

-spec report(non_neg_integer(), pyport_sink:sink(), pyport_sink:tag()) -> ok.
report(0, _, _) ->
    ok;
report(Count, Sink, Tag) ->
    Text = pyport_sink:dropped(Count, "it was not taken in time"),
    pyport_sink:write(Sink, Tag#{context := undefined}, [Text]).
