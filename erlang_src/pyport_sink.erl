%% @private
%% @doc Where lines that Python printed go. A device may take its time.
-module(pyport_sink).

-export([write/3, dropped/2]).

-export_type([sink/0, tag/0]).

-include_lib("kernel/include/logger.hrl").

%% `{pid, Pid}' gets `{py_output, #{host, context, stream, line}}'.
-type sink() :: logger | user | null | {group_leader, pid()} | {pid, pid()}.
-type tag() :: #{host := pid(),
                 context := non_neg_integer() | undefined,
                 stream := stdout | stderr}.

%% @doc Delivers lines without their newlines; a sink that is gone costs the
%% lines and nothing else.
-spec write(sink(), tag(), [binary()]) -> ok.
write(null, _, _) ->
    ok;
write({pid, Pid}, Tag, Lines) ->
    _ = [Pid ! {py_output, Tag#{line => Line}} || Line <- Lines],
    ok;
write(user, _, Lines) ->
    put_lines(user, Lines);
write({group_leader, Leader}, _, Lines) ->
    put_lines(Leader, Lines);
write(logger, #{stream := stdout} = Tag, Lines) ->
    ?LOG_INFO(event(Tag, Lines));
write(logger, Tag, Lines) ->
    ?LOG_WARNING(event(Tag, Lines)).

%% Lines that came together are one event: the stack of a crash is one.
-spec event(tag(), [binary()]) -> map().
event(Tag, [Line]) -> Tag#{what => python_output, line => Line};
event(Tag, Lines) -> Tag#{what => python_output, lines => Lines}.

-spec put_lines(user | pid(), [binary()]) -> ok.
put_lines(Device, Lines) ->
    try
        io:put_chars(Device, [[Line, $\n] || Line <- Lines])
    catch
        %% The device is gone, or takes no such characters.
        error:_ -> ok
    end.

%% @doc The line that says how many lines went lost.
-spec dropped(pos_integer(), iodata()) -> binary().
dropped(Count, Why) ->
    iolist_to_binary(io_lib:format("pyport: ~b lines of output dropped (~s)",
                                   [Count, Why])).
