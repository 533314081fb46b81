%% What bounds the messages that processes send to channels, and their order
%% with what goes over the bulk lane; against a fake program.
-module(pyport_channel_out_SUITE).

-compile([export_all, nowarn_export_all]).

-import(pyport_lane_case, [place/1, seen/1, buffer/2, noise/1, signal/2,
                           os_pid/1]).
-import(pyport_channel_case, [byte_channel/2]).

-define(MANY, 20).
-define(MB, (1 bsl 20)).
-define(WRITE_BYTES, 65536).

suite() ->
    [{timetrap, {seconds, 60}}].

all() ->
    [runs_that_others_interrupt_close_the_gate,
     a_message_without_a_lane_stays_behind_a_write_on_it].

init_per_testcase(_, Config) ->
    pyport_lane_case:start([{stderr, null}, {stdout, null}], true, Config).

end_per_testcase(_, _) ->
    pyport_case:stop().

%% doc: the program reads nothing; each run of the link is one message.
runs_that_others_interrupt_close_the_gate(Config) ->
    {Link, _} = place(Config),
    Channel = byte_channel(Config, #{}),
    Number = pyport_channel_cells:number(Channel),
    Casts = pyport_lanes:casts(Link),
    0 = pyport_lanes:gate(Casts),
    ok = signal("STOP", os_pid(Config)),
    Message = noise(?MB),
    [begin
         Link ! [Number | Message],
         Link ! {channel, {ask, Number}}
     end || _ <- lists:seq(1, ?MANY)],
    %% The link answers when it has taken all of them.
    #{closed := false} = py_byte_channel:info(Channel),
    2 = pyport_lanes:gate(Casts),
    signal("CONT", os_pid(Config)).

%% doc: where a channel is was remembered before the lane was connected.
a_message_without_a_lane_stays_behind_a_write_on_it(Config) ->
    {Link, _} = place(Config),
    Channel = byte_channel(Config, #{}),
    Buffer = buffer(Config, #{}),
    ok = py_buffer:write(Buffer, noise(?WRITE_BYTES)),
    link = pyport_lane:for_channel(Link, none, Channel, 1),
    Seen = seen(Config),
    {match, _} = re:run(Seen, "lane-write-[^ ]+ ping"),
    ok.
