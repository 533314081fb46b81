%% What the suites of channels against the fake program share.
-module(pyport_channel_case).

-export([channel/2, byte_channel/2, utter/2, message/2, pid_term/1]).
-export([waiting/2, until_waiting/2, got/1]).

-import(pyport_lane_case, [place/1, call/2]).

-define(WAIT_MS, 10000).

channel(Config, Options) -> new(Config, Options#{kind => terms}).

byte_channel(Config, Options) -> new(Config, Options#{kind => bytes}).

new(Config, Options) ->
    {Link, _} = place(Config),
    {ok, Channel} = pyport_channel_new:new_at(Link, self(), Options),
    Channel.

%% The program says these, in one packet.
utter(Config, Answers) ->
    Words = [binary:encode_hex(pyport_wire_channel:event(Each))
             || Each <- Answers],
    Text = string:lowercase(iolist_to_binary(lists:join(" ", Words))),
    {ok, _} = call(Config, <<"utter ", Text/binary>>),
    ok.

message(Number, Term) ->
    {channel, Number, {message, term_to_binary(Term)}}.

%% As SEND has it: without its version byte.
pid_term(Pid) ->
    <<131, Term/binary>> = term_to_binary(Pid),
    Term.

%% A process that runs this and is known to the link as one that waits at the
%% channel.
waiting(Config, Run) ->
    {Link, _} = place(Config),
    {Pid, Monitor} = pyport_lane_case:async(Run),
    ok = until_waiting(Link, Pid),
    {Pid, Monitor}.

until_waiting(Link, Pid) ->
    {dictionary, Dictionary} = process_info(Link, dictionary),
    case lists:keymember({at_channel, Pid}, 1, Dictionary) of
        true -> ok;
        false -> until_waiting(Link, Pid)
    end.

got(Tag) ->
    receive {Tag, Value} -> Value
    after ?WAIT_MS -> error({nothing_for, Tag})
    end.
