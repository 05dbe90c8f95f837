"""A source: topics of a Discourse forum, as its API gives them (`/t/ID.json`), become questions, answers and comments.

    socorpus build discourse:topics -o corpus --plugin examples/source.py --site forum.example.com

The first post is the question, other posts are answers, and a reply to an answer is a comment on it. What moderators
did, such as closing the topic, becomes history. Add ?include_raw=1 and ?print=true to have all posts of long topics.
"""

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from socorpus.corpus import source

QUESTION, ANSWER = 1, 2
EVENTS = {"closed.enabled": 10, "closed.disabled": 11, "pinned.enabled": 33, "pinned.disabled": 34}
Rows = dict[str, list[Any]]


def columns(rows: list[dict[str, Any]]) -> Rows:
    return {name: [row.get(name) for row in rows] for name in dict.fromkeys(name for row in rows for name in row)}


def text_of(post: dict[str, Any]) -> str:
    """A comment's text: what the author wrote, else the HTML without its tags."""
    return post.get("raw") or html.unescape(re.sub(r"<[^>]+>", " ", post["cooked"])).strip()


@source(["posts", "comments", "history"], files="*.json")
def discourse(path: Path) -> Iterator[tuple[str, Rows]]:
    topic = json.loads(path.read_text("utf-8"))
    posts, comments, history = [], [], []
    by_number = {post["post_number"]: post for post in topic["post_stream"]["posts"]}
    first = by_number[1]
    tags = [tag["name"] if isinstance(tag, dict) else tag for tag in topic.get("tags", [])]
    accepted = by_number.get((topic.get("accepted_answer") or {}).get("post_number"), {}).get("id")
    for number, post in sorted(by_number.items()):
        likes = sum(action.get("count", 0) for action in post.get("actions_summary", []) if action["id"] == 2)
        row = {"Id": post["id"], "CreationDate": post["created_at"]}
        user = {"UserId": post["user_id"], "UserDisplayName": post["username"]}
        if kind := EVENTS.get(post.get("action_code")):
            history.append(row | {"PostHistoryTypeId": kind, "PostId": first["id"], **user})
        elif post.get("reply_to_post_number") in by_number and post["reply_to_post_number"] > 1:
            answered = by_number[post["reply_to_post_number"]]
            while 1 < (answered.get("reply_to_post_number") or 0) < answered["post_number"]:
                answered = by_number[answered["reply_to_post_number"]]
            comments.append(row | {"Score": likes, "PostId": answered["id"], "Text": text_of(post), **user})
        elif post.get("post_type", 1) == 1:
            row |= {"Score": likes, "Body": post["cooked"]}
            row |= {"OwnerUserId": post["user_id"], "OwnerDisplayName": post["username"]}
            if number == 1:
                row |= {"PostTypeId": QUESTION, "Title": topic["title"], "Tags": tags}
                row |= {"AcceptedAnswerId": accepted, "ViewCount": topic.get("views")}
            else:
                row |= {"PostTypeId": ANSWER, "ParentId": first["id"]}
            posts.append(row)
    yield from (("posts", columns(posts)), ("comments", columns(comments)), ("history", columns(history)))
