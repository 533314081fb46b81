%% @private
%% @doc What is known of a channel.
-module(pyport_channel_info).

-export([of_owned/2]).

-export_type([info/0]).

-type info() :: #{size := non_neg_integer(),
                  max_size := non_neg_integer(),
                  closed := boolean(),
                  messages := non_neg_integer(),
                  incoming := non_neg_integer(),
                  owner := pid() | undefined}.

-define(INFO_MS, 5000).

%% @doc The program says what is queued for Python; without it there is
%% nothing.
-spec of_owned(pid() | undefined, pyport_channel_cells:handle()) -> info().
of_owned(Owner, Cells) ->
    {Messages, Size} = queued(Cells),
    IsGone = pyport_lanes:find(pyport_channel_cells:key(Cells)) =:= gone,
    #{size => Size,
      messages => Messages,
      max_size => pyport_channel_cells:bytes_max(Cells),
      closed => IsGone orelse pyport_channel_cells:is_closed(Cells),
      incoming => max(0, pyport_channel_cells:arrived(Cells)
                             - pyport_channel_cells:claimed(Cells)),
      owner => Owner}.

-spec queued(pyport_channel_cells:handle()) ->
          {Messages :: non_neg_integer(), Size :: non_neg_integer()}.
queued(Cells) ->
    Number = pyport_channel_cells:number(Cells),
    case pyport_lanes:find(pyport_channel_cells:key(Cells)) of
        {Link, _} ->
            case pyport_link:control(Link, channel_info, Number, ?INFO_MS) of
                {ok, #{messages := Messages, size := Size}} ->
                    {Messages, Size};
                _ ->
                    {0, 0}
            end;
        gone ->
            {0, 0}
    end.
