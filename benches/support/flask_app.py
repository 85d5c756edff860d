"""The smallest Flask application that answers what `fbs-http` does, from the same SQLite file: the same columns of the
same rows, and a submitted job is on the disk before it is answered."""

import json
import os
import sqlite3
import uuid

from flask import Flask, g, jsonify, render_template_string, request

app = Flask(__name__)

PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Jobs</title></head><body><h1>Jobs</h1>
<table>{% for job in jobs %}<tr><td><a href="/jobs/{{ job.id }}">{{ job.request.title }}</a></td><td>{{ job.state }}</td>
<td>{{ job.request.submitted }}</td><td>{{ job.request.requester }}</td></tr>{% endfor %}</table></body></html>"""


def store():
    if "store" not in g:
        g.store = sqlite3.connect(os.environ["STORE"], timeout=30)
    return g.store


@app.teardown_appcontext
def close(_):
    if "store" in g:
        g.pop("store").close()


@app.get("/api/v1/jobs/<job>")
def status(job):
    row = store().execute("SELECT job FROM jobs WHERE id = ?", [job]).fetchone()
    if row is None:
        return jsonify(detail="no such job"), 404
    job_record = json.loads(row[0])
    history = "SELECT time, state, cause FROM transitions WHERE job = ? ORDER BY number"
    job_record["history"] = [dict(zip(("time", "state", "cause"), step)) for step in store().execute(history, [job])]
    payload = store().execute("SELECT payload FROM payloads WHERE job = ?", [job]).fetchone()
    job_record["payload"] = payload and json.loads(payload[0])
    return jsonify(job_record)


@app.get("/")
def dashboard():
    rows = store().execute("SELECT job FROM jobs ORDER BY id DESC LIMIT 50")
    return render_template_string(PAGE, jobs=[json.loads(row[0]) for row in rows])


@app.post("/api/v1/jobs")
def submit():
    wanted = request.get_json()
    job = uuid.uuid4().hex
    with store() as transaction:
        transaction.execute("PRAGMA synchronous = FULL")
        transaction.execute("CREATE TABLE IF NOT EXISTS flask (id TEXT PRIMARY KEY, spec TEXT)")
        transaction.execute("INSERT INTO flask VALUES (?, ?)", [job, wanted["spec"]])
    return jsonify(id=job), 201
